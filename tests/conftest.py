"""The kit's fixtures, also where xfer is on the path without being installed."""

from xfer.testing.pytest_plugin import run_xfer, tiny_encoder, xfer_manager

__all__ = ["run_xfer", "tiny_encoder", "xfer_manager"]
