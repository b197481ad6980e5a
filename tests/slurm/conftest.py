"""SLURM for tests, started by slurm/testbed when the first test asks for it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_slurm import Bed, down, own_environment, up


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `-m slurm` the tests of this folder are skipped: they take minutes, and what SLURM is
    made of.
    """
    if "slurm" in config.option.markexpr:
        return
    there = shutil.which("slurmctld", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    reason = (
        "they take minutes: run `pytest -m slurm`"
        if there
        else "SLURM is not installed here (no slurmctld)"
    )
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip(reason=f"tests on a real SLURM; {reason}"))


@pytest.fixture(scope="session")
def testbeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Bed]]:
    """The bed that `slurm/testbed up` starts with these options: once a session, ended after it."""
    started: dict[tuple[str, ...], Bed] = {}

    def bed(*options: str) -> Bed:
        if options not in started:
            started[options] = up(tmp_path_factory.mktemp("testbed"), *options)
        return started[options]

    yield bed
    for one in started.values():
        down(one.folder)


def use(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """Point this process to the bed for one test, and tidy up after it."""
    for name in os.environ.keys() - own_environment().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", str(bed.conf))
    yield bed
    bed.tidy()


@pytest.fixture
def testbed(testbeds, monkeypatch):
    """Two nodes with two GPUs each, no accounting."""
    yield from use(testbeds(), monkeypatch)


@pytest.fixture
def accounting_testbed(testbeds, monkeypatch):
    """The same with accounting: sacct works, limits can be set with sacctmgr, and squeue forgets in
    five seconds.
    """
    yield from use(testbeds("--accounting", "--min-job-age-seconds", "5"), monkeypatch)


@pytest.fixture
def impatient_testbed(testbeds, monkeypatch):
    """The same without accounting, and a node that hangs is down after about 17 s."""
    yield from use(testbeds("--node-timeout-seconds", "5"), monkeypatch)


@pytest.fixture
def narrow_testbed(testbeds, monkeypatch):
    """The same without accounting, and with arrays of at most 3 tasks, index 0 to 2."""
    yield from use(testbeds("--max-array-size", "3"), monkeypatch)
