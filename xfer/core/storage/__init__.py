"""What is written, and how it stays whole: files, manifests, locks, checkpoints, the store."""
