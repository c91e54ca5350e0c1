"""What several built-in tasks share. Nothing here is a plugin."""
