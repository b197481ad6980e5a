"""One thread, as the workers run: bitwise claims hold there, and small problems are faster."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """torch at one thread for the length of a test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
