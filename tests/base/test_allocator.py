"""Memory that a process which trains has freed is there for its next array."""

import subprocess
import sys

import pytest

ARRAYS, ARRAY_BYTES, PAGE_BYTES = 10, 64_000_000, 4096
COUNT_FAULTS = f"""
import resource, sys
import torch
from harness.base.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
torch.zeros({ARRAY_BYTES}, dtype=torch.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ARRAYS}):
    torch.zeros({ARRAY_BYTES}, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_an_array_takes_the_pages_of_the_one_before():
    def faults(freed: str) -> int:
        ended = subprocess.run(
            [sys.executable, "-c", COUNT_FAULTS, freed], check=True, capture_output=True, text=True
        )
        return int(ended.stdout)

    pages_of_an_array = ARRAY_BYTES // PAGE_BYTES
    assert faults("given back") > ARRAYS * pages_of_an_array // 2
    assert faults("kept") < pages_of_an_array
