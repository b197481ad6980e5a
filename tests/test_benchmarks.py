"""What the benchmarks say is what was measured: verdicts, missing numbers, turns, and jobs that are taken up again."""

from itertools import pairwise

import pandas as pd
import pytest

from benchmarks import pykan_jobs
from benchmarks.clock import Contestant, race
from benchmarks.figure import _apart
from benchmarks.floors import FLOORS, MISSING, Floor, Measured, Tables, _verdict, compare
from benchmarks.jobs import EXP2D_NARROW, EXP2D_WIDE, EXP100D, JOBS


@pytest.mark.parametrize(
    ("floor", "aim", "value", "holds", "verdict"),
    [
        (30, 60, 29.9, True, "no"),
        (30, 60, 30, True, "floor"),
        (30, 60, 60, True, "aim"),
        (2, 0.3, 2.1, True, "no"),
        (2, 0.3, 2, True, "floor"),
        (2, 0.3, 0.3, True, "aim"),
        (30, 60, 100, False, "no"),
    ],
)
def test_a_verdict_is_of_the_number_and_its_condition(floor, aim, value, holds, verdict):
    """Larger is better where the aim is above the floor, smaller where it is below."""
    one = Floor("speed", "times", floor, aim, lambda tables: Measured(value))
    assert _verdict(one, Measured(value, holds=holds)) == verdict


def test_what_was_not_measured_says_so(tmp_path):
    """Without any table no floor has a number, and each says what it needs."""
    table = compare(tmp_path).table
    assert len(table) == len(FLOORS)
    assert (table["met"] == MISSING).all()
    assert table["measured"].isna().all()
    assert table["remark"].str.startswith("needs ").all()


def test_memory_is_looked_up(tmp_path):
    """The number in the table is the one that the comparison wrote."""
    pd.DataFrame({"implementation": ["fused (ours)", "pykan"], "peak_mb": [0.25, 300.0]}).to_csv(
        tmp_path / "memory.csv", index=False
    )
    rows = compare(tmp_path).table.set_index("measure")
    row = rows[rows.index.str.startswith("peak memory")].iloc[0]
    assert (row["measured"], row["met"]) == (0.25, "aim")
    assert len(Tables(tmp_path).read("memory")) == 2


def test_contestants_take_turns():
    """After two calls to warm up each, rounds go A B, A B, with preparation before each piece of work."""
    heard = []

    def contestant(name):
        def work():
            heard.append(name)
            sum(range(2_000_000))
            return 10

        return Contestant(name, work, lambda: heard.append(f"prepare {name}"))

    timings = race([contestant("a"), contestant("b")], rounds=3)
    worked = [name for name in heard if not name.startswith("prepare")]
    assert worked[:4] == ["a", "a", "b", "b"]
    assert heard[::2] == [f"prepare {name}" for name in heard[1::2]]
    in_turns = "".join(dict.fromkeys(worked[4:]))
    assert in_turns == "ab"
    assert timings["a"].cpu_ms > 0
    assert timings["a"].units == 10 * worked[4:].count("a")


def test_jobs_in_order():
    """The first seed of all jobs but the longest comes first; that one is last."""
    order = pykan_jobs.in_order()
    assert order[0] == (EXP2D_NARROW, 0)
    assert [seed for _, seed in order[:5]] == [0] * 5
    assert order[-1] == (EXP100D, 0)
    assert len(order) == sum(len(job.seeds) for job in JOBS) == 16


def test_a_job_is_done_when_all_its_grids_are():
    """Or when pykan stopped; rows of a job that was cut off are dropped, and no others."""

    def rows(job, seed, grids, problem=None):
        key = dict(zip(pykan_jobs.JOB_COLUMNS, [job.task, str(list(job.shape)), 1000, seed], strict=True))
        return [{**key, "grid": grid, "problem": None} for grid in grids[:-1]] + [
            {**key, "grid": grids[-1], "problem": problem}
        ]

    wide, grids = EXP2D_WIDE, EXP2D_WIDE.grids
    table = pd.DataFrame(rows(wide, 0, grids) + rows(wide, 1, grids[:3]) + rows(wide, 2, grids[:2], "RuntimeError"))
    assert [pykan_jobs.is_complete(table, wide, seed) for seed in (0, 1, 2, 3)] == [True, False, True, False]
    assert not pykan_jobs.is_complete(table, EXP2D_NARROW, 0)
    assert len(pykan_jobs.without(table, wide, 1)) == len(table) - 3


def test_labels_keep_their_order_and_their_distance():
    """Heights on a log axis end up a factor apart, in the same order, near to where they were."""
    placed = _apart([1.0, 1.1, 1.05, 100.0], factor=2)
    assert placed[0] < placed[2] < placed[1] < placed[3] == 100.0
    ordered = sorted(placed)
    assert all(high / low >= 2 - 1e-9 for low, high in pairwise(ordered))
    assert placed[2] == pytest.approx((1.0 * 1.1 * 1.05) ** (1 / 3))
