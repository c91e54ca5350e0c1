"""Built-in suites: one module a named set of targets and intermediate tasks."""
