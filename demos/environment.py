"""What must stand before Gradio and the package are imported."""

import contextlib
import ctypes
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A Space starts a page from a checkout, where the package is not installed.
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# By default glibc gives each thread a heap of its own, and what is freed in one cannot
# be used by another: with many visitors memory grew by 300 MB. Two heaps stay flat.
M_ARENA_MAX = -8  # Of malloc.h.
with contextlib.suppress(OSError, AttributeError):  # Another C library.
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
