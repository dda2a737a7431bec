"""Kept memory, seen in the page faults of a process of its own."""

import platform
import resource
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, torch
from pspgan.memory import keep_freed_memory

def faults():
    for _ in range(24):  # blocks have found their places after ten at most
        torch.empty(2**22).fill_(1)  # 16 MiB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.empty(2**22).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

libc = ctypes.CDLL(None)
libc.mallopt(-3, 2**20)  # from 1 MiB on, as in a process that has not adapted itself
outside = faults()
free = resident()
with keep_freed_memory():
    inside, kept = faults(), resident()
print(outside, inside, kept - free, resident() - free)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told to keep memory")
def test_pages_are_used_again_and_given_back():
    out = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    outside, inside, kept, after = map(int, out.split())
    pages = 2**24 // resource.getpagesize()
    assert outside >= 4 * pages * 0.9
    assert inside < pages / 10
    assert kept > pages * 0.9
    assert after < pages / 10
