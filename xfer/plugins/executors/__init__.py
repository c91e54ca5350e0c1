"""What runs jobs. One module an executor; packages that they need are extras and are imported at first use."""
