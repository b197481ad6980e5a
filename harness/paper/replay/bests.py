"""The kind of replay whose table has the best network of each family: Tables 1 and 2, with Figs.
3.2 and D.1.

The paper takes the least test error over seeds, depths and grids. Ours does so too, and beside it
stands the size that validation picks, with the median over its seeds.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.families import FAMILIES
from harness.paper.reference import corrected, load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.points import (
    chosen_runs,
    in_one_sentence,
    network_words,
    published_shape,
    with_outcomes,
)
from harness.show.figures.labels import drawn_keys, set_ticks, write_head, write_note
from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, panel_grid, side_by_side, themed
from harness.show.tables.table import Table
from harness.spec.counts import axis_words
from harness.tasks import TASKS, load_target

REASONABLE = 1e-2  # the test RMSE below which a pruned KAN may be called minimal
KANS = ("unpruned", "pruned", "human")
MLPS = ("mlp", "mlp_tanh", "mlp_relu")
FAMILY_WORDS = {"kan": "KANs", "mlp": "MLPs"}
# Published numbers by `what` they are.
ANY_KAN, PRUNED = "best KAN of all", "pruned KAN"
NARROW, WIDE = "MLP of width 5", "MLP of any width"
NUMBER_COLUMNS = (  # of the table of a published number
    *("task", "published", "published_network", "best", "best_network", "best_ratio"),
    *("median", "worst", "network", "ratio", "outcome"),
)


class PublishedNumber(NamedTuple):
    """A published number of every task, and the runs of ours that answer it.

    `column` is its error in `table` of `harness.paper.reference`, `shape` the network it is of, if
    that is printed. `arms` are ours, of which `width` leaves MLPs with all hidden layers that wide.
    `smallest` asks for the network with the fewest edges under REASONABLE, in place of the best.
    """

    what: str
    table: str
    column: str
    arms: tuple[str, ...]
    shape: str | None = None
    width: int | None = None
    smallest: bool = False

    @property
    def is_mlp(self) -> bool:
        """Whether it is of an MLP."""
        return self.arms[0] in MLPS


def bests(
    runs: ReplayRuns, replay: Replay, numbers: tuple[PublishedNumber, ...], inputs: int | None
) -> Page:
    """The page of a table and its figure of frontiers; `inputs`: how many the figure counts every
    task with.
    """
    rows = load(replay.published[0])
    table = measured_runs(runs.table, inputs)
    of_table = table_points(table, numbers, rows["task"], replay.tolerance)
    published = published_frontiers(rows["task"])
    of_figure = frontier_points(table, published, replay.tolerance)
    counted = list(wins(of_table, numbers))
    return Page(
        points=pd.concat([of_table, of_figure], ignore_index=True),
        figures=tuple(_figures(table, published, rows["task"])),
        lead=(
            in_one_sentence(of_table.assign(arm=of_table["family"]), FAMILY_WORDS),
            *_win_words(counted),
        ),
        tables=(
            *_wins_table(counted),
            *_number_tables(of_table, numbers),
            *_shape_tables(table, rows),
        ),
    )


# --------------------------------------------------------------------------------------------------
# ours
def measured_runs(table: pd.DataFrame, inputs: int | None) -> pd.DataFrame:
    """Our chosen runs, once each: `network` in words, `edges` of what pruning left, `family`, and
    `drawn`, its x.
    """
    chosen = chosen_runs(table)
    shape, grid = (
        chosen.get("pruned_shape", chosen["shape"]).fillna(chosen["shape"]),
        chosen["grid"],
    )
    return chosen.assign(
        network=network_words(published_shape(shape), grid),
        edges=[drawn_count(nodes, 0) for nodes in shape],
        drawn=[
            drawn_count(nodes, intervals, inputs)
            for nodes, intervals in zip(shape, grid, strict=True)
        ],
        family=np.where(chosen["arm"].isin(MLPS), "mlp", "kan"),
    )


class FamilyBest(NamedTuple):
    """What our runs of a family come to on a task.

    `best` is the least test error of any run, as the paper picks, and `best_network` that run's.
    `median` and `worst` are over the `seeds` of the size with the least median validation error,
    whose median seed has `network`. A diverged run counts as infinitely bad; without runs all is
    nan.
    """

    best: float = math.nan
    best_network: str | float = math.nan
    median: float = math.nan
    worst: float = math.nan
    seeds: int = 0
    network: str | float = math.nan


def answer(runs: pd.DataFrame) -> FamilyBest:
    """What these runs of one task come to."""
    if runs.empty:
        return FamilyBest()
    runs = runs.fillna({"test_rmse": math.inf, "validation_rmse": math.inf})
    cell = runs.groupby("cell", sort=False)["validation_rmse"].median().idxmin()
    ordered = runs.sort_values("test_rmse", kind="stable")
    picked = ordered[ordered["cell"] == cell]
    errors, best, middle = picked["test_rmse"], ordered.iloc[0], picked.iloc[(len(picked) - 1) // 2]
    spread = (float(errors.median()), float(errors.max()), len(picked))
    return FamilyBest(float(best["test_rmse"]), best["network"], *spread, middle["network"])


def smallest(runs: pd.DataFrame) -> FamilyBest:
    """What the runs of the fewest edges come to that have a test error under REASONABLE, whatever
    their grids.
    """
    good = runs[runs["test_rmse"] < REASONABLE]
    return answer(good[good["edges"] == good["edges"].min()])


# --------------------------------------------------------------------------------------------------
# points
def published_numbers(number: PublishedNumber, tasks: Iterable[str]) -> pd.DataFrame:
    """A row a task: `task`, `published`, `errata`, and `published_network`, nan if not printed."""
    table = load(number.table).set_index("task").loc[list(tasks)].reset_index()
    rows = table[["task"]].assign(
        published=table[number.column], errata="", published_network=math.nan
    )
    if number.is_mlp:  # of which a row's errata are
        rows["errata"] = table["errata"]
    if (
        number.table == "tables_against_figures"
    ):  # a figure is free of a cell that the table repeats
        rows["errata"] = rows["errata"].str.replace(" E9", "")
    return rows.assign(published_network=table[number.shape]) if number.shape else rows


def table_points(
    table: pd.DataFrame, numbers: Sequence[PublishedNumber], tasks: Iterable[str], tolerance: float
) -> pd.DataFrame:
    """A row a published number of the table and answer of ours, with its outcome."""
    rows = []
    for number in numbers:
        ours = _runs_of(table, number)
        for row in published_numbers(number, tasks).to_dict("records"):
            of_task = ours[ours["task"] == row["task"]]
            best = smallest(of_task) if number.smallest else answer(of_task)
            family = "mlp" if number.is_mlp else "kan"
            rows.append(_point({**row, "family": family}, number.what, best, of_task))
    return with_outcomes(pd.DataFrame(rows), tolerance)


def frontier_points(table: pd.DataFrame, published: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """A row a published point of a frontier, beside what our networks of at most that many
    parameters come to.

    A published network larger than all of ours of its family counts as not run.
    """
    rows = []
    for row in published.to_dict("records"):
        ours = table[(table["task"] == row["task"]) & (table["family"] == row["family"])]
        comparable = (
            ours[ours["drawn"] <= row["drawn"]]
            if row["drawn"] <= ours["drawn"].max()
            else ours.iloc[:0]
        )
        number = f"{row['family'].upper()}s of up to {row['drawn']:,} parameters"
        rows.append(_point(row, number, answer(comparable), comparable))
    return with_outcomes(pd.DataFrame(rows), tolerance)


def _point(
    published: Mapping[Any, Any], number: str, best: FamilyBest, ours: pd.DataFrame
) -> dict[str, Any]:
    arms = ", ".join(dict.fromkeys(ours["arm"])) or math.nan
    return {
        **published,
        "what": f"{published['task']}, {number}",
        "number": number,
        "ours": arms,
        **best._asdict(),
    }


def _runs_of(table: pd.DataFrame, number: PublishedNumber) -> pd.DataFrame:
    runs = table[table["arm"].isin(number.arms)]
    if number.width is None:
        return runs
    return runs[runs["shape"].str.split("-").str[1:-1].map(set) == {str(number.width)}]


def published_frontiers(tasks: Iterable[str]) -> pd.DataFrame:
    """The published frontiers of test errors: `task`, `family`, `drawn`, `published`, `errata`,
    over all activations.

    The panel that repeats another one (E10) is left out.
    """
    table = load("frontiers")
    table = table[table["task"].isin(tasks) & (table["split"] == "test")]
    table = table[table.groupby("task")["panel"].transform("min") == table["panel"]]
    table = table.assign(drawn=table["params.paper"].astype(int), published=table["rmse"])
    return frontiers(table, "drawn", "published")[
        ["task", "family", "drawn", "published", "errata"]
    ]


# --------------------------------------------------------------------------------------------------
# frontiers
def frontier(points: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The rows than which no other is at most as large in both columns, by `x`: each has less `y`
    than all before it.

    Of rows that are equal in both the first stays; nan in either column is no point.
    """
    sorted_points = points.dropna(subset=[x, y]).sort_values([x, y], kind="stable")
    before = sorted_points[y].cummin().shift()
    return sorted_points[(sorted_points[y] < before) | before.isna()]


def frontiers(points: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The frontier of each task and family (columns of the points), one after the other."""
    return pd.concat(
        frontier(part, x, y) for _, part in points.groupby(["task", "family"], sort=False)
    )


def drawn_count(shape: str, grid: int, inputs: int | None = None) -> int:
    """What the paper's axes have for a network `2-5-1`: edges times G for a KAN, weights for an MLP
    (grid 0).

    Fig. D.1 counts as if every formula had two inputs (erratum E6d); `inputs` is that number, of
    which a network that pruning left with fewer keeps its own.
    """
    first, *others = (int(nodes) for nodes in shape.split("-"))
    nodes = [first if inputs is None else min(first, inputs), *others]
    return sum(a * b for a, b in itertools.pairwise(nodes)) * (grid or 1)


# --------------------------------------------------------------------------------------------------
# words
class Wins(NamedTuple):
    """In how many of `tasks` a KAN's error is below an MLP's: published, and ours by the paper's
    rule and by medians.

    Ours are of the `run` tasks that have both.
    """

    kan: str
    mlp: str
    tasks: int
    published: int
    run: int
    by_best: int
    by_median: int


def wins(points: pd.DataFrame, numbers: Sequence[PublishedNumber]) -> Iterator[Wins]:
    """Every kind of KAN against every kind of MLP; a cell that repeats another one (E9) counts as
    corrected.
    """
    by_number = {
        number.what: points[points["number"] == number.what].set_index("task") for number in numbers
    }
    kans = [number.what for number in numbers if not number.is_mlp and not number.smallest]
    for name, number in itertools.product(kans, [number for number in numbers if number.is_mlp]):
        kan, mlp = by_number[name], by_number[number.what]
        both_ran = kan["median"].notna() & mlp["median"].notna()
        of_mlps = corrected(load(number.table).set_index("task"), number.column).reindex(kan.index)
        won = (
            kan["published"] < of_mlps,
            both_ran,
            *((kan[by] < mlp[by])[both_ran] for by in ("best", "median")),
        )
        yield Wins(name, number.what, len(kan), *(int(tasks.sum()) for tasks in won))


def _win_words(counted: Sequence[Wins]) -> Iterator[str]:
    """On how many tasks the best KAN leads the best MLP, of whatever kind both are."""
    for count in counted:
        if count.run and (count.kan, count.mlp) == (ANY_KAN, WIDE):
            yield (
                f"The {count.kan} is below the {count.mlp} in {count.published} of {count.tasks} "
                "as published; ours in "
                f"{count.by_best} of {count.run} by the best run, in {count.by_median} by medians "
                "of what validation "
                "picks."
            )


def _wins_table(counted: Sequence[Wins]) -> tuple[Table, ...]:
    rows = []
    for count in counted:
        ours = [
            f"{won} of {count.run}" if count.run else None
            for won in (count.by_best, count.by_median)
        ]
        rows.append((count.kan, count.mlp, f"{count.published} of {count.tasks}", *ours))
    return page_tables("wins", rows)


def _number_tables(points: pd.DataFrame, numbers: Sequence[PublishedNumber]) -> Iterator[Table]:
    smallest_words = (
        f"Of the networks with the fewest edges among those with a test RMSE under {REASONABLE:g}. "
    )
    for number in numbers:
        of_number = points[points["number"] == number.what]
        if of_number["median"].notna().any():
            rows = of_number[list(NUMBER_COLUMNS)].itertuples(index=False)
            of_which = smallest_words if number.smallest else ""
            yield from page_tables(
                "number", rows, title=number.what[0].upper() + number.what[1:], of_which=of_which
            )


def _shape_tables(table: pd.DataFrame, published: pd.DataFrame) -> tuple[Table, ...]:
    """What pruning left, beside the published shapes, if anything was pruned."""
    pruned, rows = table[table["arm"] == "pruned"], []
    for row in published.to_dict("records") if len(pruned) else ():
        survivors = pruned[pruned["task"] == row["task"]]
        edges = survivors["edges"].agg(["min", "median", "max"])
        least, best = smallest(survivors).best_network, answer(survivors).best_network
        shapes = (row["minimal_shape"], least, row["best_shape"], best)
        rows.append((row["task"], *shapes, *edges))
    return page_tables("shapes", rows, reasonable=REASONABLE)


# --------------------------------------------------------------------------------------------------
# figures
def _figures(
    table: pd.DataFrame, published: pd.DataFrame, of_table: Iterable[str]
) -> Iterator[Picture]:
    tasks = [task for task in of_table if task in set(table["task"])]
    theirs = published.assign(who="published", x=published["drawn"], y=published["published"])
    frontiers_of_both = pd.concat(
        [theirs, _frontiers(table.assign(x=table["drawn"], y=table["test_rmse"]))]
    )
    yield picture(
        "frontiers",
        "replay",
        partial(pareto_figure, frontiers_of_both, tasks, axis_words("params.paper")),
    )
    yield medians_picture(table, tasks)


def medians_picture(table: pd.DataFrame, tasks: Sequence[str]) -> Picture:
    """The frontiers of our runs (`measured_runs`) alone, on their true count."""
    cells = table.fillna({"test_rmse": math.inf}).groupby(["task", "family", "cell"], sort=False)
    medians = cells.agg(x=("params.trainable", "median"), y=("test_rmse", "median")).reset_index()
    draw = partial(pareto_figure, _frontiers(medians), tasks, axis_words("params.trainable"))
    return picture("trainable", "trainable", draw)


def _frontiers(points: pd.DataFrame) -> pd.DataFrame:
    return frontiers(points[np.isfinite(points["y"])], "x", "y").assign(who="ours")


PANEL_HEIGHT = 1.4  # inches
COLUMNS, MANY_COLUMNS, MANY = 3, 5, 15  # panels a row, up to how many tasks, and of more
TITLE_LETTERS = {COLUMNS: 40, MANY_COLUMNS: 25, 1: 40}
APART_LOOK: dict[str, Any] = {
    "ha": "right",
    "va": "top",
    "fontsize": LABEL_SIZE - 1,
    "style": "italic",
    "color": INK,
}
# Marks tell the families apart without colour, filling ours from theirs.
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("published", "kan"): {
        "color": INK,
        "marker": "o",
        "mfc": "white",
        "ms": 4,
        "ls": (0, (4, 1.5)),
    },
    ("published", "mlp"): {
        "color": "#666666",
        "marker": "s",
        "mfc": "white",
        "ms": 3.6,
        "ls": (0, (1, 1.3)),
    },
    ("ours", "kan"): {"color": FAMILIES["kan"].colour, "marker": "o", "ms": 3, "ls": "-"},
    ("ours", "mlp"): {"color": FAMILIES["mlp"].colour, "marker": "s", "ms": 2.7, "ls": "-"},
}


@themed
def pareto_figure(frontiers: pd.DataFrame, tasks: Sequence[str], x_words: str) -> Figure:
    """A panel a task, with a staircase for each of `who` (published or ours) and `family` (kan or
    mlp) in the rows.

    `frontiers` has a point a row, at `x` (parameters) and `y` (test RMSE).
    """
    columns = side_by_side(COLUMNS if len(tasks) <= MANY else MANY_COLUMNS)
    apart = 0
    figure, panels = panel_grid(len(tasks), columns, PANEL_HEIGHT, sharex=True)
    for axes, task in zip(panels, tasks, strict=True):
        axes.set(xscale="log", yscale="log")
        formula = load_target(task).formula if task in TASKS else task
        title = formula if len(formula) <= TITLE_LETTERS[columns] else task.replace("_", " ")
        axes.set_title(title, fontsize=LABEL_SIZE, pad=2)
        of_task = frontiers[frontiers["task"] == task]
        for (who, family), look in LOOKS.items():
            part = of_task[(of_task["who"] == who) & (of_task["family"] == family)]
            words: dict[str, Any] = {"label": f"{who}, {family.upper()}s", "gid": f"{who}:{family}"}
            if len(part):
                axes.plot(
                    part["x"], part["y"], drawstyle="steps-post", lw=0.8, mew=0.8, **look, **words
                )
        if _have_no_size_in_common(of_task):
            apart += 1
            axes.text(
                0.98,
                0.95,
                "no size\nin common",
                transform=axes.transAxes,
                gid="apart",
                **APART_LOOK,
            )
    for axes in panels:
        set_ticks(axes.xaxis, is_small=True)
        set_ticks(axes.yaxis, is_small=True)
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    figure.supylabel("test RMSE", fontsize=LABEL_SIZE + 1)
    write_head(figure, drawn_keys(panels))
    notes = [f"Across: {x_words}."]
    if apart:
        panels_of = "1 panel" if apart == 1 else f"{apart} panels"
        notes.append(f"No size in common ({panels_of}): there neither family can be said to win.")
    write_note(figure, notes)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # which else takes seconds whenever the figure is saved
    return figure


def _have_no_size_in_common(frontiers: pd.DataFrame) -> bool:
    """Whether our KANs of a task are all larger than our MLPs, or all smaller: then no size
    compares the two.
    """
    ours = frontiers[frontiers["who"] == "ours"].groupby("family")["x"]
    least, most = ours.min(), ours.max()
    return len(least) == 2 and bool(least.max() > most.min())
