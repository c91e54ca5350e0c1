"""Built-in tasks: one module a data set."""
