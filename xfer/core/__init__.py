"""The engine. It knows no task and no strategy by name."""
