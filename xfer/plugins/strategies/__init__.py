"""Built-in strategies: one module a strategy."""
