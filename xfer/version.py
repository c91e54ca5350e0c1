"""The version, in a module of its own so that core can name it without reaching for the rest of the package."""

__version__ = "0.1.0"
