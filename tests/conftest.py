"""One thread: small ensembles are slower on two, and a lane's bits must not hang on the machine's load.

One core for laws too: the tests themselves run on all cores, and each process takes seconds to start.
"""

import os
import signal

import pytest
import torch
from hypothesis import settings

os.environ.pop("COLUMNS", None)
import harness.show.console  # noqa: F401  its width is that of when it is first imported

settings.register_profile("any machine", deadline=None)  # an example's time says how busy the machine is
settings.load_profile("any machine")


def pytest_configure():
    """In the background of a script pytest and all its children would ignore the Ctrl-C that some tests send."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    monkeypatch.setattr("harness.cli.analysis.available_cores", lambda: 1)
