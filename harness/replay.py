"""A published figure beside runs of ours: which point belongs to which, how far apart they are, and what that says."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.errors import HarnessError, did_you_mean
from harness.reference import load
from harness.scaling import SeriesFit

NEAR = 2.0  # a ratio up to which, and down to whose inverse, two errors are taken for the same
# Errata that leave a published error without the meaning that its place in the figure gives it.
MEANINGLESS = ("E2", "E4", "E9")
# Errata by which a published error is another quantity of ours.
OTHER_QUANTITY = {"E3": "test_root_median_square"}
KEYS = ["task", "shape", "grid"]


class Replay(NamedTuple):
    """An experiment (the name of its file) and the published table that it replays.

    `panels` are the columns whose values make a panel of the figure, `x` its axis. `silent` says what was chosen where
    the paper says nothing.
    """

    place: str
    title: str
    table: str
    panels: tuple[str, ...]
    x: str
    silent: tuple[str, ...]


SILENT_ON_KNOTS = (
    "Where knots go. Both choices are run: uniform (grid_eps = 1, pykan's default when the paper appeared) and at "
    "percentiles of the activations (grid_eps = 0.02, its default later)."
)
SILENT_ON_SEEDS = (
    "How many seeds, and which is shown. Ours are medians over seeds with the range from the best to the worst; the "
    "best is beside them, as the paper's tables take the best."
)
SILENT_ON_WEIGHTS = (
    "The initial weights, which pykan draws otherwise than the paper says (E17). Ours follow the paper: w_b by "
    "Xavier's rule, w_s = 1, coefficients from N(0, 0.1²)."
)
SILENT_ON_STARTS = (
    "Whether a training that begins badly is begun again. Ours takes the best of eight starts of 240 evaluations each, "
    "which are counted: without, a KAN [2,1,1] ends in a bad minimum with seven of eight seeds."
)
REPLAYS = {
    "fig2_3_grid_extension": Replay(
        "Fig. 2.3",
        "Grid extension",
        "grid_extension",
        ("task", "shape"),
        "grid",
        (
            SILENT_ON_KNOTS,
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
            SILENT_ON_STARTS,
        ),
    ),
    "fig3_1_toy_scaling": Replay(
        "Fig. 3.1",
        "Toy functions",
        "toy_scaling",
        ("task",),
        "params.paper",
        (
            SILENT_ON_KNOTS,
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
            SILENT_ON_STARTS,
            "The MLPs' activation (SiLU here, as Table 2's column turned out to be) and their initial weights.",
            "The number of training points: 1,000, as in sec. 2.4, and 3,000 for the four-dimensional function, as in "
            "pykan's tutorial.",
        ),
    ),
}


def full_name(name: str) -> str:
    """The replay of that name, or the one that begins so; a HarnessError names the nearest one."""
    found = [one for one in REPLAYS if one.startswith(name)]
    if len(found) != 1:
        raise HarnessError(f"{name}: no such replay; {did_you_mean(name, REPLAYS)}")
    return found[0]


# ---------------------------------------------------------------------------------------------------------- two sides
def published_points(replay: Replay) -> pd.DataFrame:
    """The published points, a row each: KEYS, `family`, `x` as errata correct it, `published`, `quantity`, `errata`."""
    table = load(replay.table)
    table = table.assign(
        family=table.get("family", "kan"),
        grid=_corrected(table, "grid").astype("Float64").fillna(0).astype(int),
        x=_corrected(table, replay.x).astype(float),
        published=table["test_rmse"],
        quantity=[_quantity(errata) for errata in table["errata"]],
    )
    return table[[*KEYS, "family", "x", "published", "quantity", "errata"]]


def _corrected(table: pd.DataFrame, column: str) -> pd.Series:
    """The column, with the values that errata give in place of the published ones."""
    name = f"{column}_corrected"
    return table[name].fillna(table[column]) if name in table else table[column]


def _quantity(errata: str) -> str:
    """Which of our errors a published one is, by its errata."""
    return next((OTHER_QUANTITY[one] for one in errata.split() if one in OTHER_QUANTITY), "test_rmse")


def measured_points(table: pd.DataFrame, replay: Replay) -> pd.DataFrame:
    """Our points, a row a series, network and quantity: `best`, `median` and `worst` over seeds, and what they took.

    A diverged run counts as infinitely bad.
    """
    keyed = table.assign(
        shape=[f"[{shape.replace('-', ',')}]" for shape in table["shape"]],
        grid=table["grid"].astype("Float64").fillna(0).astype(int),
        seconds=table["pack_seconds"] / table["pack_lanes"],
    )
    keyed = keyed[keyed["chosen"]].drop_duplicates([*KEYS, "series", "run_id"])
    found = []
    for quantity in ("test_rmse", *OTHER_QUANTITY.values()):
        errors = keyed.assign(error=keyed[quantity].fillna(np.inf))
        groups = errors.groupby([*KEYS, "arm", "series"], sort=False)
        points = groups.agg(
            best=("error", "min"),
            median=("error", "median"),
            worst=("error", "max"),
            seeds=("error", "size"),
            seconds=("seconds", "median"),
            evaluations=("evaluations", "median"),
            **{"params.paper": ("params.paper", "first"), "params.trainable": ("params.trainable", "first")},
        ).reset_index()
        found.append(points.assign(quantity=quantity))
    points = pd.concat(found, ignore_index=True)
    return points.assign(x=points[replay.x].astype(float))


def beside(published: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """A row a published point and series of ours with that network: the ratio of our median and best, the outcome.

    A published point of which there is no run has a row with the outcome `not run`.
    """
    joined = published.merge(measured.drop(columns="x"), on=[*KEYS, "quantity"], how="left")
    ratio = joined["median"] / joined["published"]
    joined = joined.assign(ratio=ratio, best_ratio=joined["best"] / joined["published"])
    return joined.assign(outcome=[_outcome(row) for row in joined.itertuples()])


def _outcome(row) -> str:
    """What one point says; the ratio is that of the median over seeds."""
    if wrong := [one for one in row.errata.split() if one in MEANINGLESS]:
        return f"not comparable ({', '.join(wrong)})"
    if np.isnan(row.ratio):
        return "not run"
    if 1 / NEAR <= row.ratio <= NEAR:
        return f"within {NEAR:g}x"
    if row.best <= row.published <= row.worst:
        return "within the seed spread"
    return "better" if row.ratio < 1 else "worse"


# ------------------------------------------------------------------------------------------------------------ summary
class Summary(NamedTuple):
    """How a series of ours lies beside a published curve: the points compared, and how many have which outcome.

    The factor between our median and what was published, whichever is larger: its geometric mean, its largest value,
    and the geometric mean for the best seeds.
    """

    panel: str
    network: str
    series: str
    points: int
    typical_factor: float
    largest_factor: float
    best_factor: float
    outcomes: dict[str, int]


def summaries(joined: pd.DataFrame, replay: Replay) -> list[Summary]:
    """A summary a panel, published curve and series of ours, in the order of the figure."""
    compared = joined[joined["series"].notna() & ~joined["outcome"].str.startswith("not")]
    curves = compared.assign(curve=curve_of(compared))
    found = []
    for key, rows in curves.groupby([*replay.panels, "curve", "series"], sort=False):
        *panel, curve, series = map(str, key)
        off, best_off = (np.abs(np.log(rows[name])) for name in ("ratio", "best_ratio"))
        found.append(
            Summary(
                panel=" ".join(panel),
                network=curve,
                series=series,
                points=len(rows),
                typical_factor=float(np.exp(off.mean())),
                largest_factor=float(np.exp(off.max())),
                best_factor=float(np.exp(best_off.mean())),
                outcomes=dict(Counter(rows["outcome"])),
            )
        )
    return found


def curve_of(points: pd.DataFrame) -> pd.Series:
    """The published curve that a point is on: a KAN's shape, an MLP's depth."""
    depth = points["shape"].str.count(",")
    return points["shape"].where(points["family"] == "kan", "MLP, depth " + depth.astype(str))


class Exponent(NamedTuple):
    """How fast errors fall along a published KAN curve and a series of ours, up to the published minimum.

    The first two are slopes by least squares through the same networks on the figure's axis, ours through medians; the
    others our laws without a floor, with their intervals, on the paper's count of parameters and on the true one.
    """

    panel: str
    network: str
    series: str
    published: float
    ours: float
    law_on_paper: SeriesFit
    law_on_trainable: SeriesFit


def exponents(joined: pd.DataFrame, fits: Sequence[SeriesFit], replay: Replay) -> list[Exponent]:
    """An exponent a published KAN curve and series of ours, in the order of the figure; at least three points each."""
    laws = {(one.task, one.series, one.axis): one for one in fits if one.fit.law == "pure"}
    kans = joined[(joined["family"] == "kan") & joined["series"].notna() & ~joined["outcome"].str.startswith("not")]
    found = []
    for key, rows in kans.groupby([*replay.panels, "shape", "series"], sort=False):
        *panel, shape, series = map(str, key)
        falling = rows.sort_values("x").iloc[: int(np.argmin(rows.sort_values("x")["published"])) + 1]
        if len(falling) < 3:
            continue
        task = str(rows["task"].iloc[0])
        found.append(
            Exponent(
                " ".join(panel),
                shape,
                series,
                _slope(falling["x"], falling["published"]),
                _slope(falling["x"], falling["median"]),
                laws[task, series, "params.paper"],
                laws[task, series, "params.trainable"],
            )
        )
    return found


def _slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent alpha of y = A x^-alpha, by least squares of logarithms; nan where an error is infinite."""
    if not np.isfinite(y).all():
        return math.nan
    return float(-np.polyfit(np.log(x), np.log(y), 1)[0])
