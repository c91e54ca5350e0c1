"""The kit's fixtures, also where xfer is on the path without being installed; a cache that is nobody's."""

import os
import tempfile

from xfer.testing.pytest_plugin import run_xfer, tiny_encoder, xfer_manager

__all__ = ["run_xfer", "tiny_encoder", "xfer_manager"]

_CACHE = tempfile.TemporaryDirectory(prefix="xfer-cache-")
os.environ["XFER_CACHE"] = _CACHE.name  # also of the processes that tests start
os.environ["XFER_NO_TRIAL"] = "1"  # tests/plugins/test_trials.py takes it away again
