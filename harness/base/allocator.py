"""How a process that trains asks the C library for memory."""

import ctypes
import sys

# Of glibc's mallopt: its numbers of parameters, and values that let no freed memory go back to the
# system.
TRIM_THRESHOLD, NEVER = -1, -1
MMAP_MAX, NONE = -4, 0


def keep_freed_memory() -> None:
    """Have this process reuse the memory that it frees, for the rest of its life, where the C
    library is glibc.

    By default glibc gives large arrays back as soon as they are freed. The next array of that size
    then makes the kernel clear all of its pages again, in every evaluation: 7 to 24 % of the CPU
    time of transformers and of MLPs on Poisson's equation (results/LOG.md, 2026-12-01). No result
    is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(MMAP_MAX, NONE)
        mallopt(TRIM_THRESHOLD, NEVER)
