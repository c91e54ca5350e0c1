"""Rows and examples: where they lie, how they are read, checked, fetched, translated and changed."""
