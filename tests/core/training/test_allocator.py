"""What the allocator keeps, told by the page faults of a process that makes and frees the same arrays again."""

import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import resource, sys
import torch
from mechbook.core.training.allocator import keep_freed_memory

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = []
# each a little larger, so that it fits no gap but stands at the end of the heap, which glibc gives back first
for i in range(40):
    torch.ones((16 << 20) + 4096 * i)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print((faults[-1] - faults[-11]) // 10)
"""


def faults(mode):
    done = subprocess.run([sys.executable, "-c", _SCRIPT, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told anything")
def test_freed_memory_is_kept_where_asked():
    """Oracle: the kernel's count of page faults: fresh memory needs one for each of its pages, kept memory hardly any.

    How many there are depends on the size of a page, which is the machine's.
    """
    assert 8 * faults("keep") < faults("leave")


def test_other_libraries_are_left_alone(monkeypatch):
    """Oracle: the answer, False."""
    from mechbook.core.training import allocator

    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert allocator.keep_freed_memory() is False
