"""Features, the streams of tokens they are laid in, and which items a step sees."""
