"""The kind of replay whose table has the best network of each family: Tables 1 and 2, with Figs. 3.2 and D.1.

The paper takes the least test error over seeds, depths and grids. Ours does so too, and beside it stands the size that
validation picks, with the median over its seeds.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.figures.pareto import pareto_figure
from harness.paper.replay.outcome import in_one_sentence, outcome_words, summary, with_outcomes
from harness.paper.replay.pareto import drawn_count, frontier
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.spec import axis_words

REASONABLE = 1e-2  # the test RMSE below which a pruned KAN may be called minimal
KANS = ("unpruned", "pruned", "human")
MLPS = ("mlp", "mlp_tanh", "mlp_relu")


class PublishedNumber(NamedTuple):
    """A published number of every task, and the runs of ours that answer it.

    `column` is its error in `table` of `harness.paper.reference`, `shape` the network it is of, if that is printed.
    `arms` are ours, of which `width` leaves MLPs with all hidden layers that wide. `smallest` asks for the network with
    the fewest edges under REASONABLE, in place of the best.
    """

    what: str
    table: str
    column: str
    arms: tuple[str, ...]
    shape: str | None = None
    width: int | None = None
    smallest: bool = False


ANY_KAN = "best KAN of all"
SMALLEST, PRUNED = "smallest pruned KAN", "pruned KAN"
NARROW, WIDE = "MLP of width 5", "MLP of any width"
TABLE_1 = (
    PublishedNumber(
        "smallest pruned KAN", "special_functions", "minimal_test_rmse", ("pruned",), "minimal_shape", smallest=True
    ),
    PublishedNumber(PRUNED, "special_functions", "best_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber(ANY_KAN, "tables_against_figures", "kan_frontier", KANS),
    PublishedNumber(NARROW, "special_functions", "mlp_test_rmse", MLPS[:1], width=5),
    PublishedNumber(WIDE, "tables_against_figures", "mlp_any_width", MLPS[:1]),
)
TABLE_2 = (
    PublishedNumber("human KAN", "feynman", "human_test_rmse", ("human",), "human_shape"),
    PublishedNumber(PRUNED, "feynman", "pruned_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber("unpruned KAN", "feynman", "unpruned_test_rmse", ("unpruned",)),
    PublishedNumber(ANY_KAN, "tables_against_figures", "kan_test_rmse", KANS),
    PublishedNumber(NARROW, "feynman", "mlp_test_rmse", MLPS[:1], width=5),
    PublishedNumber("MLP of width 5, any activation", "tables_against_figures", "mlp_width5", MLPS, width=5),
    PublishedNumber(WIDE, "tables_against_figures", "mlp_any_width", MLPS),
)


def bests(runs: ReplayRuns, replay: Replay, numbers: tuple[PublishedNumber, ...], inputs: int | None) -> Page:
    """The page of a table and its figure of frontiers; `inputs`: how many the figure counts every task with."""
    rows = load(replay.published[0])
    table = measured_runs(runs.table, inputs)
    of_table = table_points(table, numbers, rows["task"], replay.tolerance)
    published = published_frontiers(rows["task"])
    of_figure = frontier_points(table, published, replay.tolerance)
    counts = list(wins(of_table, numbers))
    return Page(
        points=pd.concat([of_table, of_figure], ignore_index=True),
        figures=tuple(_figures(table, published, rows["task"])),
        findings=tuple(_findings(of_table, of_figure, counts, numbers)),
        tables=(_wins_table(counts), *_number_tables(of_table, numbers), *_shape_tables(table, rows)),
    )


# --------------------------------------------------------------------------------------------------------------- ours
def measured_runs(table: pd.DataFrame, inputs: int | None) -> pd.DataFrame:
    """Our chosen runs, once each, with `network` (what pruning left, if it did), `family` and `drawn`, its x."""
    chosen = table[table["chosen"]].drop_duplicates(["task", "series", "run_id"])
    pruned = chosen.get("pruned_shape", pd.Series(None, chosen.index, dtype=object))
    grid = chosen["grid"].astype("Float64").fillna(0).astype(int)
    network = pruned.where(pruned.notna(), chosen["shape"])
    drawn = [drawn_count(*one, inputs) for one in zip(network, grid, strict=True)]
    family = np.where(chosen["arm"].isin(MLPS), "mlp", "kan")
    return chosen.assign(network=network, grid=grid, drawn=drawn, family=family)


class FamilyBest(NamedTuple):
    """What our runs of a family come to on a task.

    `best` is the least test error of any run, as the paper picks, and `best_network` that run's. `median` and `worst`
    are over the `seeds` of the size with the least median validation error, whose median seed has `network`. A
    diverged run counts as infinitely bad; without runs all is nan.
    """

    best: float = math.nan
    best_network: str = ""
    median: float = math.nan
    worst: float = math.nan
    seeds: int = 0
    network: str = ""


def answer(runs: pd.DataFrame) -> FamilyBest:
    """What these runs of one task come to."""
    if runs.empty:
        return FamilyBest()
    runs = runs.fillna({"test_rmse": math.inf, "validation_rmse": math.inf})
    best = runs.sort_values("test_rmse", kind="stable").iloc[0]
    picked = runs[runs["cell"] == runs.groupby("cell", sort=False)["validation_rmse"].median().idxmin()]
    ordered = picked.sort_values("test_rmse", kind="stable")
    median = ordered["test_rmse"].median()
    middle = ordered.iloc[(len(ordered) - 1) // 2]
    return FamilyBest(
        float(best["test_rmse"]),
        named(best),
        float(median),
        float(ordered["test_rmse"].max()),
        len(picked),
        named(middle),
    )


def smallest(runs: pd.DataFrame) -> FamilyBest:
    """What the runs of the fewest edges come to that have a test error under REASONABLE, whatever their grids."""
    good = runs[runs["test_rmse"] < REASONABLE]
    if good.empty:
        return FamilyBest()
    edges = good["network"].map(lambda network: drawn_count(network, 0))
    return answer(good[edges == edges.min()])


def named(run: pd.Series) -> str:
    """`[2,5,1], G = 20` of a KAN, and an MLP's shape."""
    return f"[{run['network'].replace('-', ',')}]" + (f", G = {run['grid']}" if run["grid"] else "")


# ------------------------------------------------------------------------------------------------------------- points
def published_numbers(number: PublishedNumber, tasks: Iterable[str]) -> pd.DataFrame:
    """A row a task: `task`, `published`, `errata`, and the `shape` as text, empty if not printed."""
    table = load(number.table).set_index("task").loc[list(tasks)].reset_index()
    if not number.column.startswith("mlp"):  # a row's errata are about its MLP
        table = table.assign(errata="")
    elif number.table == "tables_against_figures":  # and a figure is free of a cell that the table repeats
        table = table.assign(errata=table["errata"].str.replace(" E9", ""))
    shape = table[number.shape] if number.shape else ""
    return table.assign(published=table[number.column], shape=shape)[["task", "published", "errata", "shape"]]


def table_points(
    table: pd.DataFrame, numbers: Sequence[PublishedNumber], tasks: Iterable[str], tolerance: float
) -> pd.DataFrame:
    """A row a published number of the table and answer of ours, with its outcome."""
    rows = []
    for number in numbers:
        ours = _runs_of(table, number)
        for row in published_numbers(number, tasks).to_dict("records"):
            here = ours[ours["task"] == row["task"]]
            found = smallest(here) if number.smallest else answer(here)
            rows.append(_point(row["task"], number.what, row, found, here) | {"published_network": row["shape"]})
    return with_outcomes(pd.DataFrame(rows), tolerance)


def frontier_points(table: pd.DataFrame, published: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """A row a published point of a frontier, beside what our networks of at most that many parameters come to.

    A published network larger than all of ours of its family counts as not run.
    """
    rows = []
    for (task, family), here in published.groupby(["task", "family"], sort=False):
        ours = table[(table["task"] == task) & (table["family"] == family)]
        for row in here.to_dict("records"):
            there = ours[ours["drawn"] <= row["drawn"]] if row["drawn"] <= ours["drawn"].max() else ours.iloc[:0]
            what = f"{str(family).upper()}s of up to {row['drawn']:,} parameters"
            rows.append(_point(str(task), what, row, answer(there), there) | {"drawn": row["drawn"]})
    return with_outcomes(pd.DataFrame(rows), tolerance)


def _point(
    task: str, number: str, published: Mapping[Any, Any], found: FamilyBest, ours: pd.DataFrame
) -> dict[str, Any]:
    return {
        "what": f"{task}, {number}",
        "ours": ", ".join(dict.fromkeys(ours["arm"])) or math.nan,
        "published": published["published"],
        "errata": published["errata"],
        **found._asdict(),
        "task": task,
        "number": number,
    }


def _runs_of(table: pd.DataFrame, number: PublishedNumber) -> pd.DataFrame:
    found = table[table["arm"].isin(number.arms)]
    if number.width is None:
        return found
    hidden = found["shape"].str.split("-").str[1:-1]
    return found[hidden.map(set) == {str(number.width)}]


def published_frontiers(tasks: Iterable[str]) -> pd.DataFrame:
    """The published frontiers of test errors: `task`, `family`, `drawn`, `published`, `errata`, over all activations.

    The panel that repeats another one (E10) is left out.
    """
    table = load("frontiers")
    table = table[table["task"].isin(tasks) & (table["split"] == "test")]
    table = table[table.groupby("task")["panel"].transform("min") == table["panel"]]
    table = table.assign(drawn=table["params.paper"].astype(int), published=table["rmse"])
    parts = [frontier(part, "drawn", "published") for _, part in table.groupby(["task", "family"], sort=False)]
    return pd.concat(parts)[["task", "family", "drawn", "published", "errata"]]


# -------------------------------------------------------------------------------------------------------------- words
class Wins(NamedTuple):
    """In how many of `tasks` a KAN's error is below an MLP's: published, and ours by the paper's rule and by medians.

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
    """Every kind of KAN against every kind of MLP; a cell that repeats another one (E9) counts as corrected."""
    by_number = {number.what: points[points["number"] == number.what].set_index("task") for number in numbers}
    for kan in (number for number in numbers if number.arms[0] in KANS and not number.smallest):
        for mlp in (number for number in numbers if number.arms[0] in MLPS):
            one, other = by_number[kan.what], by_number[mlp.what]
            there = one["median"].notna() & other["median"].notna()
            yield Wins(
                kan.what,
                mlp.what,
                len(one),
                int((one["published"] < _corrected(mlp, other["published"])).sum()),
                int(there.sum()),
                int((one["best"] < other["best"])[there].sum()),
                int((one["median"] < other["median"])[there].sum()),
            )


def _corrected(number: PublishedNumber, published: pd.Series) -> pd.Series:
    table = load(number.table).set_index("task")
    name = f"{number.column}_corrected"
    return table[name].reindex(published.index).fillna(published) if name in table else published


def _findings(
    of_table: pd.DataFrame, of_figure: pd.DataFrame, counts: Sequence[Wins], numbers: Sequence[PublishedNumber]
) -> Iterator[str]:
    """All numbers of the table first; then who wins, each of its columns, and the figure."""
    yield in_one_sentence(of_table)
    for one in counts:
        if one.run and one.kan in (ANY_KAN, PRUNED):
            yield (
                f"The {one.kan} is below the {one.mlp} in {one.published} of {one.tasks} as published; ours in "
                f"{one.by_best} of {one.run} by the best run, in {one.by_median} by medians of what validation picks."
            )
    for number in numbers:
        found = summary(of_table[of_table["number"] == number.what])
        if found.points:
            yield (
                f"{number.what[0].upper()}{number.what[1:]}: typically {human(found.typical_factor, 2)}x apart "
                f"({human(found.best_factor, 2)}x by the paper's rule); {outcome_words(found.outcomes)}."
            )
    figure = summary(of_figure)
    if figure.points:
        yield f"Points of the frontiers: {figure.points} compared, {outcome_words(figure.outcomes)}."


def _wins_table(counts: Sequence[Wins]) -> Table:
    columns = (*text_columns("KAN", "MLP"), *number_columns("published", "ours, best run", "ours, medians"))
    rows = [
        (
            one.kan,
            one.mlp,
            f"{one.published} of {one.tasks}",
            f"{one.by_best} of {one.run}" if one.run else None,
            f"{one.by_median} of {one.run}" if one.run else None,
        )
        for one in counts
    ]
    introduction = (
        "In how many functions the KAN's test error is below the MLP's: as published; by our best run over seeds, "
        "depths and grids, which is the paper's rule; and by the median over seeds of the size that validation picks."
    )
    return table_of("Who wins", columns, rows, introduction)


def _number_tables(points: pd.DataFrame, numbers: Sequence[PublishedNumber]) -> Iterator[Table]:
    columns = (
        *(*text_columns("function"), *number_columns("published"), *text_columns("network")),
        *(*number_columns("our best"), *text_columns("its network")),
        *(*number_columns("ratio", "our median", "worst seed"), *text_columns("network picked")),
        *(*number_columns("median ratio"), *text_columns("outcome")),
    )
    for number in numbers:
        here = points[points["number"] == number.what]
        if here["median"].isna().all():
            continue
        rows = [
            (
                *(row["task"], row["published"], row["published_network"] or None),
                *(row["best"], row["best_network"] or None, row["best_ratio"]),
                *(row["median"], row["worst"], row["network"] or None, row["ratio"], row["outcome"]),
            )
            for row in here.to_dict("records")
        ]
        introduction = (
            "The best is of all seeds, depths and grids, by test error, as the paper picks. The median and the worst "
            "are over the seeds of the size with the least median validation error; the outcome is the median's, "
            "and the spread goes from that best to that worst."
        )
        if number.smallest:
            smallest_words = f"Of the networks with the fewest edges among those with a test RMSE under {REASONABLE:g}."
            introduction = f"{smallest_words} {introduction}"
        yield table_of(f"{number.what[0].upper()}{number.what[1:]}", columns, rows, introduction)


def _shape_tables(table: pd.DataFrame, published: pd.DataFrame) -> Iterator[Table]:
    """What pruning left, beside the published shapes, if anything was pruned."""
    pruned = table[table["arm"] == "pruned"]
    if pruned.empty:
        return
    rows = []
    for one in published.to_dict("records"):
        here = pruned[pruned["task"] == one["task"]]
        small, best = smallest(here), answer(here)
        left = here["network"].map(lambda network: drawn_count(network, 0))
        rows.append(
            (
                *(one["task"], one["minimal_shape"], small.best_network or None),
                *(one["best_shape"], best.best_network or None),
                *((int(left.min()), float(left.median()), int(left.max())) if len(left) else (None, None, None)),
            )
        )
    columns = (
        *text_columns("function", "published minimal", "our minimal", "published best", "our best"),
        *number_columns("fewest edges", "median edges", "most edges"),
    )
    introduction = (
        f"Minimal: the fewest edges with a test RMSE under {REASONABLE:g}. Edges are those between the nodes left."
    )
    yield table_of("What pruning leaves", columns, rows, introduction)


# ------------------------------------------------------------------------------------------------------------ figures
def _figures(table: pd.DataFrame, published: pd.DataFrame, of_table: Iterable[str]) -> Iterator[Picture]:
    tasks = [task for task in of_table if task in set(table["task"])]
    theirs = published.assign(who="published", x=published["drawn"], y=published["published"])
    ours = _frontiers(table.assign(x=table["drawn"], y=table["test_rmse"]))
    yield Picture(
        "replay",
        partial(pareto_figure, pd.concat([theirs, ours]), tasks, axis_words("params.paper")),
        "Pareto frontiers of KANs and MLPs, published and ours, a panel a function; numbers are in the table of points",
        "Pareto frontiers of test errors. Hollow and dotted: published. Filled: ours, the best of all seeds, as there. "
        "Circles: KANs, of all kinds together. Squares: MLPs, of all widths and activations together.",
    )
    yield medians_picture(table, tasks)


def medians_picture(table: pd.DataFrame, tasks: Sequence[str]) -> Picture:
    """The frontiers of our runs (`measured_runs`) alone, on their true count."""
    cells = table.fillna({"test_rmse": math.inf}).groupby(["task", "family", "cell"], sort=False)
    medians = cells.agg(x=("params.trainable", "median"), y=("test_rmse", "median")).reset_index()
    return Picture(
        "trainable",
        partial(pareto_figure, _frontiers(medians), tasks, axis_words("params.trainable")),
        "Pareto frontiers of our KANs and MLPs on every function, against trainable parameters",
        "Ours alone, on true trainable parameters: frontiers of medians over seeds.",
    )


def _frontiers(points: pd.DataFrame) -> pd.DataFrame:
    finite = points[np.isfinite(points["y"])]
    parts = [frontier(part, "x", "y") for _, part in finite.groupby(["task", "family"], sort=False)]
    return pd.concat(parts).assign(who="ours")
