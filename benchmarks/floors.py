"""What was asked of the engines, and what the other tables say: numbers that were measured, and
which are missing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.implementations import FUSED, INKAN, MLP_FUSED, MLP_TORCH, PYKAN
from benchmarks.jobs import EXP2D_WIDE, JOBS, Job
from benchmarks.report import Report
from benchmarks.time_to_rmse import FIVE_SEEDS, MANY_SEEDS

SMALL, MIDDLE = "[2, 5, 1]", "[64, 64, 64]"
WIDE = ("[64,64,64]", "[64,29,64]")
FIGURE_GRIDS = {job: 20 if job.task == "exp100d" else 50 for job in JOBS if job != EXP2D_WIDE}
NARROW_LIMITS = {50: 5e-7, 100: 6e-8}  # test RMSE at these grids
QUIET_SHARE = 0.9  # of its core that a worker must have had for wall time to say something
MISSING = "not measured"
WITH_BEFORE = "python -m benchmarks engines --before CHECKOUT"


class Missing(Exception):
    """A table, or a row of it, is not there yet."""


class Tables(NamedTuple):
    """The tables in a folder, each read when it is asked for."""

    folder: Path

    def read(self, name: str) -> pd.DataFrame:
        """The table of a comparison."""
        try:
            return pd.read_csv(self.folder / f"{name}.csv")
        except FileNotFoundError:
            raise Missing(f"python -m benchmarks {name}") from None


class Measured(NamedTuple):
    """A number, and what has to be said about it; `holds` is False where its condition is not
    met.
    """

    value: float
    remark: str = ""
    holds: bool = True


class Floor(NamedTuple):
    """What is asked: at least the floor, and the aim if possible; at most, where the aim is below
    the floor.
    """

    measure: str
    unit: str
    floor: float
    aim: float
    measured: Callable[[Tables], Measured]


# --------------------------------------------------------------------------------------------------
# what to look up
def evaluation(network: str, grid: int, other: str) -> Callable[[Tables], Measured]:
    """How many times as long as our kernels `other` takes."""

    def look_up(tables: Tables) -> Measured:
        table = tables.read("evaluation")
        same = table[
            (table["network"] == network)
            & (table["grid"] == grid)
            & (table["implementation"] == other)
        ]
        return Measured(_only(same["times_fused"]))

    return look_up


def against_mlp(tables: Tables) -> Measured:
    """How many times as long as the faster of both MLPs our KAN takes."""
    table = tables.read("evaluation")
    of_block = table[table["points"] == 1024].set_index("implementation")["cpu_ms"]
    faster = min((MLP_TORCH, MLP_FUSED), key=lambda name: of_block[name])
    return Measured(of_block[FUSED] / of_block[faster], f"the faster MLP is: {faster}")


def lbfgs(network: str, grid: int | None) -> Callable[[Tables], Measured]:
    """How many times as long as ours an evaluation inside the other fit takes."""

    def look_up(tables: Tables) -> Measured:
        table = tables.read("lbfgs")
        same = table[(table["network"] == network) & (table["implementation"] != FUSED)]
        return Measured(
            _only(
                same["times_fused"] if grid is None else same[same["grid"] == grid]["times_fused"]
            )
        )

    return look_up


def extension(tables: Tables) -> Measured:
    """pykan's seconds over ours to the last grid, if our error is at most pykan's at every grid."""
    table = _of_job(tables, EXP2D_WIDE)
    worse = ", ".join(map(str, table.loc[table["not_worse"] != "yes", "grid"]))
    remark = (
        f"our test RMSE is above pykan's at G = {worse}"
        if worse
        else "test RMSE at most pykan's at every G"
    )
    return Measured(table["times_ours"].iloc[-1], f"{remark}; {_seeds(table)}", not worse)


def narrow(tables: Tables) -> Measured:
    """Our seconds to G = 100, if the errors of five seeds are as low as asked."""
    table = _of_job(tables, FIVE_SEEDS)
    errors: dict[int, str] = {}
    for job in (FIVE_SEEDS, MANY_SEEDS):
        rows = {
            grid: _at_grid(table[table["seeds"] == len(job.seeds)], grid) for grid in NARROW_LIMITS
        }
        errors[len(job.seeds)] = ", ".join(
            f"{row['test_rmse']:.1e} at G = {grid}" for grid, row in rows.items()
        )
        if job is FIVE_SEEDS:
            seconds = rows[max(NARROW_LIMITS)]["cpu_seconds"]
            holds = all(row["test_rmse"] <= NARROW_LIMITS[grid] for grid, row in rows.items())
    words = "; ".join(f"medians of {seeds} seeds {of_grids}" for seeds, of_grids in errors.items())
    return Measured(seconds, words, holds)


def five_functions(tables: Tables) -> Measured:
    """All of pykan's seconds over all of ours, if our error is at most pykan's for each
    function.
    """
    rows = [_at_grid(_of_job(tables, job), grid) for job, grid in FIGURE_GRIDS.items()]
    worse = [row["job"] for row in rows if row["not_worse"] != "yes"]
    each = ", ".join(f"{row['job']} {row['times_ours']:.0f}" for row in rows)
    remark = f"; our test RMSE is above pykan's for {', '.join(worse)}" if worse else ""
    total = sum(row["pykan_cpu_seconds"] for row in rows) / sum(row["cpu_seconds"] for row in rows)
    return Measured(total, f"of all seconds together; one by one: {each}{remark}", not worse)


def runs_an_hour(tables: Tables) -> Measured:
    """Of CPU time, the writing of records included."""
    table = tables.read("throughput")
    return Measured(_only(table[table["what"].str.contains("CPU")]["runs_an_hour"]))


def two_cores(tables: Tables) -> Measured:
    """Wall seconds of one worker over those of two, if the machine had nothing else to do."""
    table = tables.read("throughput")
    with_workers = table[table["what"].str.contains("wall")]
    if len(with_workers) < 2:
        raise Missing("a machine of two cores")
    least = with_workers["share_of_cores"].min()
    if least < QUIET_SHARE:
        raise Missing(f"a machine with nothing else to do: workers had {least:.0%} of their cores")
    one, two = with_workers["seconds"]
    return Measured(one / two, f"workers had {least:.0%} of their cores")


def memory(tables: Tables) -> Measured:
    """Of the compiled kernels."""
    table = tables.read("memory")
    return Measured(_only(table[table["implementation"] == FUSED]["peak_mb"]))


def change(
    column: str, what: str, network: str, pick: Callable[[pd.Series], object]
) -> Callable[[Tables], Measured]:
    """The worst of a column of the engines before and today, as `pick` finds it, and in which
    row.
    """

    def look_up(tables: Tables) -> Measured:
        table = tables.read("engines")
        same = table[
            table["what"].str.contains(what, regex=False)
            & table["network"].str.contains(network, regex=False)
        ]
        values = same[column].dropna()
        if values.empty:
            raise Missing(WITH_BEFORE)
        worst = same.loc[pick(values)]
        return Measured(
            worst[column],
            f"{worst['what']}: {worst['network']}, {worst['lanes']} lanes, {worst['dtype']}",
        )

    return look_up


def small_networks(tables: Tables) -> Measured:
    """The median over grids, dtypes and lanes, as a single row scatters by more than what is
    asked.
    """
    table = tables.read("engines")
    values = table[table["network"].str.startswith("KAN [2,5,1]")]["before_over_today"].dropna()
    if values.empty:
        raise Missing(WITH_BEFORE)
    return Measured(
        values.median(),
        f"median of {len(values)} rows, from {values.min():.2f} to {values.max():.2f}",
    )


def lbfgs_launches(tables: Tables) -> Measured:
    """The most of any history."""
    table = tables.read("operations")
    same = table[
        table["part"].str.startswith("ask and tell") & table["what"].str.startswith("L-BFGS")
    ]
    return Measured(same["today_launches"].max())


def no_gpu(tables: Tables) -> Measured:
    """None could be had."""
    raise Missing("a GPU")


FLOORS = (
    *(
        Floor(
            f"loss and gradient, {SMALL}, G = {grid}: {name} ÷ fused",
            "times",
            floor,
            aim,
            evaluation(SMALL, grid, name),
        )
        for name, asked in (
            (PYKAN, ((5, 30, 60), (50, 120, 250), (500, 900, 1800))),
            (INKAN, ((5, 9, 18), (50, 20, 45), (500, 20, 45))),
        )
        for grid, floor, aim in asked
    ),
    Floor(
        f"the same, {MIDDLE}, G = 5: pykan ÷ fused", "times", 15, 40, evaluation(MIDDLE, 5, PYKAN)
    ),
    Floor(
        f"the same, {MIDDLE}, G = 5: inkan ÷ fused", "times", 1.5, 2.3, evaluation(MIDDLE, 5, INKAN)
    ),
    Floor(
        f"the same, {MIDDLE}, G = 5: fused ÷ MLP of equal parameters", "times", 3, 1, against_mlp
    ),
    Floor(
        f"L-BFGS an evaluation, {SMALL}, G = 5: pykan's fit ÷ fused",
        "times",
        30,
        70,
        lbfgs(SMALL, 5),
    ),
    Floor(
        f"L-BFGS an evaluation, {SMALL}, G = 100: pykan's fit ÷ fused",
        "times",
        150,
        380,
        lbfgs(SMALL, 100),
    ),
    Floor(f"{EXP2D_WIDE.words} to G = 50: pykan's seconds ÷ ours", "times", 80, 200, extension),
    Floor(f"{FIVE_SEEDS.words} to G = 100, five seeds", "CPU s", 2, 0.3, narrow),
    Floor(
        "five functions to G = 50 (100-d: 20): pykan's seconds ÷ ours",
        "times",
        30,
        100,
        five_functions,
    ),
    Floor(f"runs an hour and core, {SMALL}, G = 3 to 20", "runs", 2000, 6000, runs_an_hour),
    Floor(
        "L-BFGS an evaluation, MLP of width 5: torch.optim ÷ fused",
        "times",
        5,
        13,
        lbfgs("[2, 5, 5, 1]", None),
    ),
    Floor(
        "L-BFGS an evaluation, MLP of width 20: torch.optim ÷ fused",
        "times",
        2,
        4,
        lbfgs("[2, 20, 20, 1]", None),
    ),
    Floor("two cores ÷ one, 64 lanes, wall time", "times", 1.8, 1.95, two_cores),
    Floor(f"peak memory above base, {SMALL}, G = 500", "MB", 10, 1, memory),
    *(
        Floor(
            f"torch engine, KAN {nodes}: ÷ MLP of equal parameters, at worst",
            "times",
            3,
            1,
            change("today_over_beside", "loss and gradient", f"KAN {nodes}", pd.Series.idxmax),
        )
        for nodes in WIDE
    ),
    *(
        Floor(
            f"torch engine, KAN {nodes}: memory before ÷ today, at worst",
            "times",
            5,
            10,
            change(
                "memory_before_over_today", "loss and gradient", f"KAN {nodes}", pd.Series.idxmin
            ),
        )
        for nodes in WIDE
    ),
    Floor(
        "torch engine, KAN [2,5,1]: before ÷ today", "times", 0.97, 1.2, small_networks
    ),  # less 3 % for noise
    Floor(
        "L-BFGS, torch engine: launches of ask and tell, any history",
        "launches",
        150,
        100,
        lbfgs_launches,
    ),
    Floor(
        "networks of 1,000 parameters ÷ compiled KAN, at worst",
        "times",
        2,
        1,
        change("today_over_beside", "by the engine that a plan chooses", "", pd.Series.idxmax),
    ),
    *(
        Floor(
            f"classes of {task}: an Adam step ÷ that of a vmapped ensemble, at worst",
            "times",
            1,
            0.5,
            change(
                "today_over_beside", f"on {task}, batches", "our engine, chosen", pd.Series.idxmax
            ),
        )
        for task in ("digits", "mnist_5000")
    ),
    Floor("GPU: 1,000 lanes of [2,5,1], G = 20, against one fused core", "times", 20, 20, no_gpu),
)


# --------------------------------------------------------------------------------------------------
# table
def compare(folder: Path) -> Report:
    """A row for everything that was asked."""
    tables = Tables(folder)
    return Report(
        name="floors",
        title=(
            "What was asked of the engines, and what was measured: one thread, float64 unless "
            "it says another"
        ),
        table=pd.DataFrame([_row(one, tables) for one in FLOORS]),
        shown={
            "measure": "measure",
            "unit": "unit",
            "measured": "measured",
            "floor": "floor",
            "aim": "aim",
            "met": "met",
            "remark": "remark",
        },
        notes=["From the tables beside this one, which say when and where each was measured."],
    )


def _row(one: Floor, tables: Tables) -> dict:
    row = {"measure": one.measure, "unit": one.unit, "floor": one.floor, "aim": one.aim}
    try:
        found = one.measured(tables)
    except Missing as missing:
        return {**row, "measured": None, "met": MISSING, "remark": f"needs {missing}"}
    return {**row, "measured": found.value, "met": _verdict(one, found), "remark": found.remark}


def _verdict(one: Floor, found: Measured) -> str:
    if not found.holds:
        return "no"
    at_most = one.aim < one.floor
    for goal, name in ((one.aim, "aim"), (one.floor, "floor")):
        if (found.value <= goal) if at_most else (found.value >= goal):
            return name
    return "no"


def _only(values: pd.Series) -> float:
    if len(values) != 1:
        raise Missing(f"one row, found {len(values)}")
    return float(values.iloc[0])


def _at_grid(table: pd.DataFrame, grid: int) -> dict:
    rows = table[table["grid"] == grid].to_dict("records")
    if not rows:
        raise Missing(f"a row for G = {grid}")
    return rows[-1]


def _of_job(tables: Tables, job: Job) -> pd.DataFrame:
    """The rows of a job; those that pykan is not in are left out, unless it is in none."""
    table = tables.read("time_to_rmse")
    table = table[table["job"] == job.words]
    if job is FIVE_SEEDS:
        return table
    with_pykan = table[table["pykan_test_rmse"].notna()]
    if set(with_pykan["grid"]) != set(job.grids):
        raise Missing(f"python -m benchmarks.pykan_jobs, then time_to_rmse, for {job.words}")
    return with_pykan


def _seeds(table: pd.DataFrame) -> str:
    seeds = int(table["seeds"].min())
    return f"{seeds} seed{'s' * (seeds > 1)}"
