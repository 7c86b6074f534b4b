"""The C library's memory allocator, told to keep what training steps free and ask for again."""

import ctypes
import platform

# numbers of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# an older glibc takes no more than the second
_LARGEST_BLOCKS = (1 << 30, 32 << 20)
_KEPT_BYTES = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next arrays, up to 2 GiB; returns False where that cannot be said.

    By default glibc gives the memory of every large array back to the system when it is freed. A training step frees
    and makes anew some ten arrays of megabytes, whose pages the system then has to clear and map each time: about a
    sixth of a small model's step. Nothing but time and the process's resident size depends on it. Other C libraries
    are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    large = any(libc.mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST_BLOCKS)
    return large and bool(libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
