"""Whether the book can be built with this Python on this machine, asked before anything is downloaded.

    PYTHON mechbook/site/supported.py

Prints a sentence and ends with 1 where it cannot. Run as a file by whatever Python somebody has, so that it is written
in words that every Python of the last twenty years reads, and imports nothing of the package.
"""

import platform
import sys

FIRST, LAST = (3, 11), (3, 14)


def refusal(version, system, machine, bits):  # type: ignore[no-untyped-def]
    """The sentence that says why not, or "".

    version: (3, 12); system: as platform.system() has it; machine: as platform.machine() has it; bits: of a pointer
    """
    asked = ".".join(str(part) for part in version[:2])
    if not FIRST <= tuple(version[:2]) <= LAST:
        return "mechbook needs Python 3.11 to 3.14, and this one is " + asked + ": name one with make PYTHON=..."
    if system == "Windows":
        return "mechbook is built by make and a POSIX shell: on Windows use it inside WSL."
    if system == "Darwin" and machine == "x86_64":
        return "There is no PyTorch of the version that mechbook needs for Macs with an Intel processor."
    if bits != 64:
        return "There is no PyTorch for a Python of " + str(bits) + " bits: mechbook needs one of 64."
    return ""


if __name__ == "__main__":
    found = refusal(sys.version_info, platform.system(), platform.machine(), 64 if sys.maxsize > 2**32 else 32)
    if found:
        sys.stderr.write(found + "\n")
        sys.exit(1)
