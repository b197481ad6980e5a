"""Writes the tables and numbers that the code can compute into counting.md, verdicts.md and
tasks.md.

`python docs/write.py` calls it.

A table is made anew below its header. Of a sentence, `{}` stands where a number is written.
Formulas are written by hand, and tests/docs/test_counting_page.py holds them to the code.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import draw_counting
import numpy as np

from harness.count import (
    CONVENTIONS,
    DEFAULT_WEIGHTS,
    WEIGHTS,
    Work,
    count,
    kanbefair,
    recursion_terms,
    training_flops,
)
from harness.families import KanShape, MlpShape, Network
from harness.judging.quantities import QUANTITIES
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt, Optimiser
from harness.planning.match import MatchSetting, match_arms
from harness.planning.solve import nearest_sizes
from harness.tasks.data import load_data

DOCS = Path(__file__).parent
FORWARD = "flops_forward."
LBFGS = Lbfgs(name="lbfgs")
EXAMPLE = KanShape(shape=(2, 5, 1), grid=5)
COMPARED = (
    "params.paper",
    "params.trainable",
    *(f"{FORWARD}{name}" for name in ("kanbefair", "per_edge")),
)
COMPARED += tuple(f"{FORWARD}{name}" for name in ("shared_dense", "local_min"))
PARAMETERS = ("params.paper", "params.trainable", "params.stored", "params.kanbefair")
FUNCTIONS = ("relu", "sigmoid", "silu", "tanh", "gelu", "exp", "prelu", "sin", "cos")
WIDTHS = (1, 5, 16, 64, 256, 1024)
TINY = ((1, 1), (2, 1, 1), (2, 2, 1), (2, 5, 1), (16, 32, 8))
Row = Sequence[str]


def pages() -> dict[str, str]:
    """What is written, by the names of files in docs/."""
    counting = (DOCS / "counting.md").read_text(encoding="utf-8")
    for header, rows in _tables():
        counting = with_table(counting, header, rows)
    for sentence, *numbers in _sentences():
        counting = with_numbers(counting, sentence, numbers)
    quantities = [
        (f"`{name}`", quantity.summary, quantity.read_at) for name, quantity in QUANTITIES.items()
    ]
    verdicts = with_table(
        (DOCS / "verdicts.md").read_text(encoding="utf-8"), "quantity | what it is", quantities
    )
    tasks = (DOCS / "tasks.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `(\w+)` \| [\d,]+ \| \d+ \|", tasks, flags=re.MULTILINE):
        data = load_data(name)
        tasks = with_numbers(
            tasks, f"`{name}` | {{}} | {{}} |", [f"{len(data.x):,}", str(data.inputs)]
        )
    return {"counting.md": counting, "verdicts.md": verdicts, "tasks.md": tasks}


def with_table(text: str, header: str, rows: Sequence[Row]) -> str:
    """The page with these rows in its table whose header begins so."""
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    pattern = rf"^(\| {re.escape(header)} \|.*\n\|[-| ]+\|\n)(?:\|.*\n)+"
    text, found = re.subn(pattern, lambda match: match[1] + body, text, flags=re.MULTILINE)
    assert found == 1, header
    return text


def with_numbers(text: str, sentence: str, numbers: Sequence[str]) -> str:
    """The page with these numbers in the sentence, wherever its lines break."""
    words = re.escape(sentence).replace(r"\ ", r"\s+").replace(r"\{\}", r"([+-]?[\d,.]*\d)")
    matches = list(re.finditer(words, text))
    if len(matches) != 1:
        raise ValueError(f"the page has {len(matches)} times: {sentence}")
    (match,) = matches
    for group in reversed(range(len(numbers))):
        begin, end = match.span(group + 1)
        text = text[:begin] + numbers[group] + text[end:]
    return text


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}"


# --------------------------------------------------------------------------------------------------
# tables
def _tables() -> Iterator[tuple[str, list[Row]]]:
    """Of counting.md: how the header of each begins, and its rows."""
    for header, before, of_kind in (
        ("parameters | rule", "params.", [one for one in CONVENTIONS if one.parameters]),
        ("FLOPs | rule", "", [one for one in CONVENTIONS if one.flops]),
    ):
        yield (
            header,
            [(f"`{before}{one.name}`", one.rule, one.source, one.misleads) for one in of_kind],
        )
    kan = count(KanShape(shape=(2, 10, 1), grid=10, scales=True, bias=True))
    mlp = count(MlpShape(shape=(2, 100, 100, 100, 1)))
    yield (
        "count | KAN",
        [
            (f"`{name}`", f"{kan[name]:,}", f"{mlp[name]:,}", f"{mlp[name] / kan[name]:.2g}")
            for name in COMPARED
        ],
    )
    lines = [_per_parameter(name, grid) for name, grid in _drawn()]
    yield (
        "width | `kanbefair`",
        [(f"{width:,}", *(f"{line(width):.2f}" for line in lines)) for width in WIDTHS],
    )
    yield (
        "table | relu",
        [
            (
                f"`{name}`{' (used throughout)' * (name == 'kanbefair')}",
                *(str(prices[one]) for one in FUNCTIONS),
            )
            for name, prices in WEIGHTS.items()
        ],
    )
    yield (
        "matched on | KAN",
        [*map(_matched, [*PARAMETERS, *sorted(set(count(EXAMPLE)) - {*PARAMETERS}, key=_size)])],
    )
    yield "KAN | median off by", [*map(_tiny, TINY)]


def _drawn() -> Iterator[tuple[str, int | None]]:
    """The convention of each column of widths, and the grid of the KAN that it is of."""
    yield from ((name, 5) for name in ("kanbefair", "per_edge", "shared_dense", "local_min"))
    yield from (("local_min", 50), ("shared_dense", None))


def _per_parameter(convention: str, grid: int | None):
    """By width: forward FLOPs per parameter of a square layer of a KAN, or of an MLP without a
    grid.
    """
    network_of = draw_counting.kan_of(grid) if grid else draw_counting.mlp_of
    return lambda width: draw_counting.flops_per_parameter(
        draw_counting.Line(network_of, convention, ""), width
    )


def _size(name: str) -> int:
    return count(EXAMPLE)[name]


def _matched(axis: str) -> Row:
    """The MLP that the example is matched with on an axis."""
    (mlp,) = match_arms(["mlp depth=3"], MatchSetting(axis, _size(axis), 2, 1, 1000, None, LBFGS))
    return (
        f"`{axis}`",
        f"{_size(axis):,}",
        f"{mlp.solved['width']:,}",
        f"{mlp.counts['params.trainable']:,}",
    )


def _tiny(shape: tuple[int, ...]) -> Row:
    """How far the nearest width of an MLP is from the parameters of a KAN of that shape."""

    def of_width(hidden: int):
        return lambda width: MlpShape(shape=(shape[0], *(width,) * hidden, shape[-1])).trainable

    off = []
    for grid in (3, 5, 10, 20, 50, 100):
        budget = KanShape(shape=shape, grid=grid).trainable
        for counted in map(of_width, (1, 2, 3, 4)):
            off.append(
                min(abs(counted(width) / budget - 1) for width in nearest_sizes(counted, budget))
            )
    words = [f"{100 * share:#.2g}".rstrip(".") + " %" for share in (np.median(off), max(off))]
    return f"[{','.join(map(str, shape))}]", *words


# --------------------------------------------------------------------------------------------------
# sentences
def _sentences() -> Iterator[tuple[str, ...]]:
    """Of counting.md: each sentence, and the numbers in it."""
    yield from _of_sizes()
    yield from _of_training()
    theirs = kanbefair.kan_layer_flops(1000, 1000, 3, 3, "identity") / 1e6
    ours = count(KanShape(shape=(10**5, 10**5), grid=3))
    shared, local = (round(ours[FORWARD + name] / 1e10) for name in ("shared_dense", "local_min"))
    quoted = (
        "the {} FLOPs an edge that later papers quote; `shared_dense` has {} an edge, "
        "`local_min` {}, once"
    )
    yield quoted, f"{theirs:.0f}", f"{shared}", f"{local}"
    wide = count(KanShape(shape=(16, 32, 8), grid=5, scales=True, bias=True))
    yield (
        "({} % too many for [16,32,8]",
        _percent(wide["params.kanbefair"] / wide["params.trainable"] - 1),
    )


def _of_sizes() -> Iterator[tuple[str, ...]]:
    edge = KanShape(shape=(1, 1), grid=3, scales=True)
    yield "at G = 3, k = 3 that is {} of {}.", f"{count(edge)['params.paper']}", f"{edge.trainable}"
    shared, local, per_edge, mlp = (
        _per_parameter(*line)
        for line in (("shared_dense", 5), ("local_min", 5), ("per_edge", 5), ("shared_dense", None))
    )
    least = min(per_edge(2**power) for power in range(11))
    yield "edge pays {} forward FLOPs or more per parameter", f"{math.floor(least)}"
    once = "pays {} at width 1 and {} at width 1,024, where an MLP pays {}."
    yield once, f"{shared(1):.0f}", f"{shared(1024):.2f}", f"{mlp(1024):.2f}"
    yield (
        "less than an MLP from width {} on",
        f"{next(w for w in range(1, 50) if local(w) < mlp(w))}",
    )
    dear = max(width for width in range(1, 200) if shared(width) >= 1.2 * mlp(width))
    yield "at least 1.2 times the MLP's FLOPs per parameter up to width {}.", f"{dear}"
    (near,) = match_arms(
        ["mlp depth=3"], MatchSetting("params.trainable", 135, 2, 1, 1000, None, LBFGS)
    )
    ratios = [
        counts[FORWARD + "shared_dense"] / counts["params.trainable"]
        for counts in (count(EXAMPLE), near.counts)
    ]
    yield (
        "costs {} against {} for the MLP of nearly as many parameters, [2,9,9,1]",
        *(f"{one:.1f}" for one in ratios),
    )
    coarse, fine = (count(KanShape(shape=(2, 5, 1), grid=grid)) for grid in (3, 50))
    longer = {
        name: math.log(fine[name] / coarse[name]) for name in ("params.paper", "params.trainable")
    }
    exponent = longer["params.paper"] / longer["params.trainable"]
    yield "exponent {} times as large against `params.trainable`", f"{exponent:.2f}"
    of_flops = longer["params.paper"] / math.log(
        fine[FORWARD + "per_edge"] / coarse[FORWARD + "per_edge"]
    )
    yield "FLOPs change it by nearly the same factor, {}.", f"{of_flops:.2f}"
    yield "({} at G = 5, k = 3),", f"{recursion_terms(5, 3)}"
    kan = KanShape(shape=(2, 10, 10, 1), grid=5)
    mlps = [_smaller(MlpShape(shape=(2, width, width, 1))) for width in (10, 100)]
    unit = (
        "smaller by {} % at width 10 and by {} % at width 100, and the KAN [2,10,10,1], G = "
        "5, by {} % under"
    )
    yield (
        f"{unit} `shared_dense` and {{}} % under `local_min`",
        *mlps,
        _smaller(kan),
        _smaller(kan, "local_min"),
    )
    kans = [count(KanShape(shape=shape, grid=5)) for shape in ((1, 1), (2, 5, 1), (64, 64, 64))]
    shares = [
        f"{100 * (one[FORWARD + 'executed'] / one[FORWARD + 'local_min'] - 1):+.0f}" for one in kans
    ]
    yield "that is {} % for [1,1] at G = 5, {} % for [2,5,1] and {} % for [64,64,64].", *shares


def _smaller(network: Network, convention: str = "shared_dense") -> str:
    """By how much the table `unit` makes a count smaller."""
    theirs, unit = (count(network, name)[FORWARD + convention] for name in ("kanbefair", "unit"))
    return _percent(1 - unit / theirs)


def _of_training() -> Iterator[tuple[str, ...]]:
    plain, decaying = (
        _a_parameter(Adam(name="adam", weight_decay=decay), 1, 1) for decay in (0, 0.1)
    )
    adam = "**Adam:** `{} P` an evaluation, P parameters, and `{} P` more with weight decay"
    yield adam, f"{plain}", f"{decaying - plain}"
    iteration, evaluation = _a_parameter(LBFGS, 0, 1), _a_parameter(LBFGS, 1, 0)
    full = _a_parameter(LBFGS, 0, 1001) - _a_parameter(LBFGS, 0, 1000) - iteration
    lbfgs = (
        "**L-BFGS:** `{} P` an iteration, `{} P` an evaluation, and `8 P` for each pair "
        "remembered at each iteration:"
    )
    yield (
        f"{lbfgs} `{{}} P` once the history of {{}} is full",
        *map(str, (iteration, evaluation, full, LBFGS.history)),
    )
    run = training_flops([Work(EXAMPLE, 1000, 1000, 1000)], LBFGS)
    shares = [
        run["flops_train.part_optimizer"] / run[f"flops_train.{one}"]
        for one in ("shared_dense", "local_min")
    ]
    yield (
        "is {} % of the example above under `shared_dense`, {} % under",
        *(_percent(share, 1) for share in shares),
    )
    run = training_flops(
        [Work(EXAMPLE, 1, 1000, 1)], LevenbergMarquardt(name="levenberg_marquardt")
    )
    shared, local = (
        EXAMPLE.evaluation_flops(name, WEIGHTS[DEFAULT_WEIGHTS])
        for name in ("shared_dense", "local_min")
    )
    dense, sparse = (
        run["flops_train.shared_dense"] - 1000 * shared,
        run["flops_train.local_min"] - 1000 * local,
    )
    levenberg = (
        "at 1,000 samples: {}, which is {} evaluations under `shared_dense`; under "
        "`local_min` a = {} makes it {},"
    )
    of_dense, of_sparse = f"{dense / 1000 / shared:.1f}", f"{sparse / 1000 / local:.0f}"
    numbers = (f"{dense:,}", of_dense, f"{EXAMPLE.active_parameters}", f"{sparse:,}", of_sparse)
    yield f"{levenberg} which is {{}}.", *numbers
    moved = Work(EXAMPLE, 0, 1000, 0, knot_updates=1, fit_samples=1000)
    cost = training_flops([moved], LBFGS)["flops_train.part_knots"]
    yield "on 1,000 samples: {}, a third of an evaluation under `shared_dense`", f"{cost:,}"


def _a_parameter(optimiser: Optimiser, evaluations: int, iterations: int) -> int:
    """Its operations on one of the parameters of a network."""
    network = MlpShape(shape=(1, 1))
    return optimiser.flops(network, 1, evaluations, iterations, starts=1) // network.trainable
