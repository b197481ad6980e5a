"""The engines before and after a change: today's code and that of an earlier commit, in turns, row
by row.

python -m benchmarks engines --before CHECKOUT      # a worktree of the earlier commit; without it
today's code alone
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.checkouts import (
    BEFORE,
    SLOW_ROUNDS,
    TODAY,
    Checkout,
    Found,
    Row,
    commits_of,
    folders_of,
    race,
    started,
)
from benchmarks.measures import EVALUATIONS
from benchmarks.report import Report
from harness.families import KanShape, MlpShape, Network, parameter_count
from harness.show.console import console

ROUNDS = 9
DTYPES = ("float64", "float32")
WIDE = (KanShape(shape=(64, 64, 64), grid=5), KanShape(shape=(64, 29, 64), grid=5))
WIDE_POINTS, POINTS = 1024, 1000
NARROW = (
    *(KanShape(shape=(2, 5, 1), grid=grid) for grid in (5, 20, 50)),
    KanShape(shape=(4, 16, 1), grid=5),
)
OPTIMISERS: dict[str, tuple[dict, int]] = {  # and how many evaluations fill their memory
    "Adam": ({"name": "adam"}, 40),
    "L-BFGS, history 10": ({"name": "lbfgs"}, 40),
    "L-BFGS, history 100": ({"name": "lbfgs", "history": 100}, 150),
    "Levenberg-Marquardt": ({"name": "levenberg_marquardt"}, 20),
}
LEARNER = KanShape(shape=(2, 5, 1), grid=20)  # by those optimisers
ARMS = {  # of about 1,000 parameters, four inputs
    "KAN": "{family: kan, hidden: [22], grid: 5}",
    **{
        f"MLP, {activation}": f"{{family: mlp, depth: 3, width: 28, activation: {activation}}}"
        for activation in ("silu", "relu", "tanh", "gelu", "sine", "prelu")
    },
    "spline MLP": "{family: spline_mlp, place: after, depth: 2, width: 71, grid: 5}",
    "RBF KAN": "{family: rbf_kan, hidden: [22], grid: 7}",
    "Chebyshev KAN": "{family: chebyshev_kan, hidden: [22], degree: 7}",
    "Fourier KAN": "{family: fourier_kan, hidden: [22], harmonics: 4}",
    "rational KAN": "{family: rational_kan, hidden: [26, 26]}",
    "KAN, frozen base": "{family: kan, hidden: [22], grid: 5, base: frozen}",
}
OF_CLASSES = ("KAN", "MLP, silu")  # these learn classes too
CLASSES = 3
BATCH, LANES = 256, 8
A_CALL = {
    "kan": 4,
    "mlp": 12,
}  # evaluations of a call of the engine, of about the length that `train_pack` gives it
# Task, family, width and grid: networks of sizes that experiments/real_data.yaml has.
ON_CLASSES = (
    ("digits", "kan", 6, 5),
    ("digits", "mlp", 24, None),
    ("mnist_5000", "kan", 3, 5),
    ("mnist_5000", "mlp", 23, None),
)
DRAWN_POINTS, DRAWN_LANES = (1_000, 4_000, 48_000), 32
EXPERIMENT = """
question: How long does an evaluation take?
tasks: [{task}]
arms: {{arm: {{architecture: {architecture}, recipe: measured}}}}
recipes:
  measured:
    optimizer: {{name: adam, batch_size: {batch}}}
    max_evaluations: {evaluations}
seeds: {seeds}
dtype: {dtype}
{engine}
"""


@dataclass(frozen=True)
class Block:
    """Rows that have their turns together.

    `beside` names the row that the others are compared with. `is_of_pack` says that times are those
    of all lanes.
    """

    what: str
    rows: tuple[Row, ...]
    dtype: str = "float64"
    lanes: int = 1
    beside: str | None = None
    is_of_pack: bool = False
    has_memory: bool = False


def compare(
    folder: Path, before: Path | None = None, rounds: int = ROUNDS, only: str = ""
) -> Report:
    """Milliseconds of every row in both checkouts; `only` those blocks that have these words."""
    blocks = [block for block in _blocks() if only in block.what]
    rows = []
    with started(before) as checkouts:
        for number, block in enumerate(blocks, 1):
            console.print(
                f"{number} of {len(blocks)}: {block.what}, {block.lanes} lanes, {block.dtype}"
            )
            rows += _raced(block, checkouts, rounds)
    return Report(
        name="engines",
        title="The engines before and today: CPU milliseconds, one thread",
        table=pd.DataFrame(rows),
        shown={
            "what": "what",
            "network": "network",
            "dtype": "dtype",
            "lanes": "lanes",
            "trained_by": "code",
            "before_ms": "before, ms",
            "today_ms": "today, ms",
            "before_over_today": "before ÷ today",
            "beside": "beside",
            "before_over_beside": "before ÷ beside",
            "today_over_beside": "today ÷ beside",
            "before_mb": "before, MB a lane",
            "today_mb": "today, MB a lane",
        },
        notes=[
            f"{commits_of(folders_of(before))} Medians of {rounds} rounds, of {SLOW_ROUNDS} where "
            "a piece of work "
            "takes more than a second; in each round both checkouts and all rows of a block have "
            "a turn. Times are "
            "those of one lane, or of all lanes where the row says so. A code that changed is "
            "named as: before → "
            "today.",
            "Beside: another row of the same block and checkout. Memory: the most that torch had "
            "allocated at once in "
            "an evaluation, above what was there, by its profiler.",
        ],
    )


def _raced(block: Block, checkouts: Mapping[str, Checkout], rounds: int) -> list[dict]:
    found = race(block.rows, checkouts, rounds, "peak" if block.has_memory else None)
    rows = []
    for row in block.rows:
        own = {name: found.get((row.name, name)) for name in (BEFORE, TODAY)}
        ms = {name: _ms(block, one) for name, one in own.items()}
        beside = {name: _ms(block, found.get((block.beside or "", name))) for name in own}
        codes = dict.fromkeys(one.trained_by for one in own.values() if one)
        made = {
            "what": block.what,
            "network": row.name,
            "dtype": block.dtype,
            "lanes": next(one.lanes for one in own.values() if one),
            "trained_by": " → ".join(codes),
            "beside": "" if block.beside in (None, row.name) else block.beside,
            "before_over_today": _ratio(ms[BEFORE], ms[TODAY]),
        }
        for name, one in own.items():
            made[f"{name}_ms"] = ms[name]
            made[f"{name}_mb"] = one.also / 1e6 if one and block.has_memory else None
            made[f"{name}_over_beside"] = _ratio(ms[name], beside[name]) if made["beside"] else None
            low, high = one.timing.cpu_ms_quartiles if one else (None, None)
            made |= {f"{name}_ms_low": low, f"{name}_ms_high": high}
        made["memory_before_over_today"] = _ratio(made[f"{BEFORE}_mb"], made[f"{TODAY}_mb"])
        rows.append(made)
    return rows


def _ms(block: Block, found: Found | None) -> float | None:
    if found is None:
        return None
    return found.timing.cpu_ms / (1 if block.is_of_pack else found.lanes)


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other is not None else None


# --------------------------------------------------------------------------------------------------
# what is timed
def _blocks() -> list[Block]:
    evaluators = itertools.starmap(_evaluator, itertools.product((*WIDE, *NARROW), DTYPES, (2, 8)))
    optimisers = [_optimisers(lanes) for lanes in (2, 20)]
    classes = [_classes(*data, dtype) for data, dtype in itertools.product(ON_CLASSES, DTYPES)]
    knots = [_knots("digits", (64, 6, 10)), _knots("mnist_5000", (784, 3, 10))]
    return [*evaluators, *optimisers, _arms(), *classes, _drawing(), *knots, _module()]


def words(network: KanShape | MlpShape) -> str:
    """A network as the table names it."""
    return f"{'KAN' if isinstance(network, KanShape) else 'MLP'} {network.words}"


def beside(kan: KanShape) -> MlpShape:
    """The MLP with one hidden layer that has the most nearly equal number of parameters."""
    inputs, outputs = kan.shape[0], kan.shape[-1]
    width = round((parameter_count(kan) - outputs) / (inputs + 1 + outputs))
    return MlpShape(shape=(inputs, width, outputs))


def _evaluator(kan: KanShape, dtype: str, lanes: int) -> Block:
    networks = (kan, beside(kan)) if kan in WIDE else (kan,)
    points = WIDE_POINTS if kan in WIDE else POINTS
    rows = [
        Row(
            words(one),
            "evaluator",
            {"network": said(one), "dtype": dtype, "lanes": lanes, "points": points},
        )
        for one in networks
    ]
    what = f"loss and gradient, {points:,} points, torch engine"
    return Block(what, tuple(rows), dtype, lanes, beside=rows[-1].name, has_memory=True)


def _optimisers(lanes: int) -> Block:
    common = {"network": said(LEARNER), "lanes": lanes, "points": POINTS}
    rows = [
        Row(name, "optimiser", {"settings": settings, "evaluations": evaluations, **common})
        for name, (settings, evaluations) in OPTIMISERS.items()
    ]
    return Block(
        f"ask and tell of {words(LEARNER)}, all {lanes} lanes",
        tuple(rows),
        lanes=lanes,
        is_of_pack=True,
    )


def _arms() -> Block:
    task = f"{{target: exp4d, train_points: {POINTS}}}"
    rows = [Row(name, "training", _training(task, arm, 20)) for name, arm in ARMS.items()]
    rows += [
        Row(f"{name}, classes", "training", _training(task, ARMS[name], 20, CLASSES))
        for name in OF_CLASSES
    ]
    return Block(
        "evaluation with Adam's step, by the engine that a plan chooses", tuple(rows), beside="KAN"
    )


def _classes(task: str, family: str, width: int, grid: int | None, dtype: str) -> Block:
    basis = {} if grid is None else {"grid": grid}
    fields = {"family": family, "hidden": f"[{width}]", **basis}
    architecture = f"{{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}"
    rows = []
    for engine in (
        ("torch", "chosen") if dtype == "float64" else ("chosen",)
    ):  # which is torch for float32
        about = _training(
            task, architecture, A_CALL[family], batch=BATCH, seeds=LANES, dtype=dtype, engine=engine
        )
        rows.append(Row(f"our engine, {engine}", "training", about))
    plain = {
        "module": f"Plain{family.title()}",
        "sizes": {"width": width, **basis},
        "task": task,
        "batch": BATCH,
    }
    for way, lanes in (("vmapped ensemble", LANES), ("loop over one network", 1)):
        rows.append(Row(way, "plain_torch", {**plain, "lanes": lanes, "dtype": dtype}))
    what = f"Adam step of {family.upper()} [{width}] on {task}, batches of {BATCH}"
    return Block(what, tuple(rows), dtype, LANES, beside="vmapped ensemble")


def _drawing() -> Block:
    """Whole epochs, of which each has an order of its own."""
    rows = []
    for points in (BATCH, *DRAWN_POINTS):
        about = _training(
            f"{{target: exp2d, train_points: {points}}}",
            "{family: mlp, hidden: [1]}",
            evaluations=points // BATCH,
            batch=BATCH,
            seeds=DRAWN_LANES,
            engine="torch",
        )
        rows.append(Row(f"{BATCH} of {points:,} points", "training", about))
    what = "evaluation of an MLP [2,1,1] in batches, all lanes"
    return Block(what, tuple(rows), lanes=DRAWN_LANES, beside=rows[0].name, is_of_pack=True)


def _knots(task: str, shape: tuple[int, ...]) -> Block:
    network = KanShape(shape=shape, grid=5)
    evaluation = Row(
        "an evaluation", "evaluator", {"network": said(network), "dtype": "float64", "lanes": 2}
    )
    evaluation.arguments["points"] = BATCH
    update = Row("a knot update", "knot_update", {"network": said(network), "task": task})
    what = f"{words(network)} on {task}: all training points, against an evaluation of {BATCH}"
    return Block(what, (evaluation, update), beside=evaluation.name)


def _module() -> Block:
    network = {
        "family": "module",
        "shape": [2, 1],
        "module": "benchmarks.plain:PlainMlp",
        "size": "width",
        "value": 16,
    }
    arguments = {
        "network": {**network, "fingerprint": ""},
        "dtype": "float64",
        "lanes": LANES,
        "points": POINTS,
    }
    return Block(
        "loss and gradient of a user's module",
        (Row("MLP [2,16,1]", "evaluator", arguments),),
        lanes=LANES,
    )


def said(network: Network) -> dict:
    """A network as a process is told of it."""
    return network.model_dump(mode="json")


def _training(
    task: str,
    architecture: str,
    evaluations: int,
    classes: int | None = None,
    batch: int | None = None,
    seeds: int = 1,
    dtype: str = "float64",
    engine: str = "chosen",
) -> dict[str, Any]:
    experiment = EXPERIMENT.format(
        task=task,
        architecture=architecture,
        batch="null" if batch is None else batch,
        evaluations=EVALUATIONS,
        seeds=list(range(seeds)),
        dtype=dtype,
        engine="" if engine == "chosen" else f"engine: {engine}",
    )
    return {"experiment": experiment, "evaluations": evaluations, "classes": classes}
