"""App. C: the edges that are left of KANs trained sparse, setting by setting, and the formulas of
what is left.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.families import FAMILIES, KanShape
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.points import in_one_sentence, point, with_outcomes
from harness.record.schema import Record
from harness.show.figures.labels import write_head, write_note
from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, is_narrow, panel_grid, themed
from harness.show.tables.table import Table

WORDS = {"strength": "λ", "grid": "G", "order": "k"}
COLUMNS = (  # of a table of runs
    *("setting", "published", "seed", "edges", "shape", "scores"),
    *("penalised_rmse", "test_rmse", "formula", "least_r2", "formula_rmse"),
)
STANDARD, PER_RANGE = "standard", ", per range"


def ablation(runs: ReplayRuns, replay: Replay) -> Page:
    """The page of the ablation: active edges by setting and seed, and the formulas of what is
    left.
    """
    published = load(replay.published[0])
    standard = published[published["setting"] == STANDARD].iloc[0]
    rows = [_survival(runs.records[run_id], standard) for run_id in runs.table["run_id"]]
    survivals = pd.DataFrame(rows).reindex(columns=COLUMNS)
    points = with_outcomes(pd.DataFrame(_points(published, survivals)), replay.tolerance)
    counts = survivals.pivot_table(
        index="setting", columns="seed", values="edges", dropna=False, sort=False
    )
    survivors = survivals[survivals["edges"].notna()]
    with_formula = survivors[survivors["formula_rmse"] < math.inf]
    best = with_formula.loc[with_formula.groupby("setting", sort=False)["formula_rmse"].idxmin()]
    formulas = best[["setting", "seed", "formula", "least_r2", "formula_rmse"]].itertuples(
        index=False
    )
    return Page(
        points=points,
        figures=tuple(_pictures(counts, points, survivors)),
        lead=(in_one_sentence(points, replay.arms),),
        tables=(
            *_counts_table(counts, points),
            *_left_table(survivals),
            *page_tables("formulas", formulas),
        ),
    )


# --------------------------------------------------------------------------------------------------
# two sides
def _survival(record: Record, standard: pd.Series) -> dict[str, Any]:
    """A run: its `setting` and seed, what pruning left and how good it is; without `edges` if it
    diverged before.

    `setting` says how norms are taken too; `published` is its name in the published table, where
    nothing is said of it.
    """
    pruned, sparsity = record.pruned, record.run.recipe.sparsity
    assert sparsity
    published = _setting(record, standard)
    setting = published + PER_RANGE if sparsity.per_range else published
    run = {"setting": setting, "published": published, "seed": record.run.seed}
    if pruned is None:
        return run
    formula = pruned.formula
    test_rmse = record.metrics.losses.test if record.metrics else math.inf
    return run | {
        "edges": pruned.active_edges,
        "shape": "[" + ",".join(map(str, pruned.network.shape)) + "]",
        "scores": pruned.scores,
        "penalised_rmse": pruned.test_rmse,
        "test_rmse": test_rmse,
        "formula": formula and formula.text,
        "least_r2": formula and formula.least_r2,
        "formula_rmse": math.inf
        if formula is None or formula.test_rmse is None
        else formula.test_rmse,
    }


def _setting(record: Record, standard: pd.Series) -> str:
    """In words: the knobs that are not as in the standard setting; entropy is there or it is
    not.
    """
    sparsity, network = record.run.recipe.sparsity, record.run.network
    assert sparsity
    assert isinstance(network, KanShape)
    knobs = {"strength": sparsity.strength, "grid": network.grid, "order": network.order}
    differing = [
        f"{WORDS[name]} = {value:g}" for name, value in knobs.items() if value != standard[name]
    ]
    if (sparsity.entropy > 0) != bool(standard["entropy"]):
        differing.append(("with" if sparsity.entropy else "without") + " entropy")
    return ", ".join(differing) or STANDARD


def _points(published: pd.DataFrame, survivals: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A row a setting of ours, and one more for each published setting without a run."""
    edges = published.set_index("setting")["edges"].astype(float)
    for setting, of_setting in survivals.groupby("setting", sort=False):
        of_paper = edges.get(of_setting["published"].iloc[0], math.nan)
        yield point(str(setting), str(setting), of_paper, list(of_setting["edges"].dropna()))
    for name, not_run in edges.drop(survivals["published"].unique(), errors="ignore").items():
        yield point(str(name), math.nan, not_run, ())


# --------------------------------------------------------------------------------------------------
# tables
def _counts_table(counts: pd.DataFrame, points: pd.DataFrame) -> tuple[Table, ...]:
    of_setting = points.set_index("what").loc[counts.index]
    rows = pd.concat(
        [of_setting["published"], counts, of_setting[["median", "outcome"]]], axis=1
    ).itertuples()
    return page_tables(
        "counts", rows, more_numbers=[*(f"seed {seed}" for seed in counts), "median"]
    )


def _left_table(survivals: pd.DataFrame) -> tuple[Table, ...]:
    """Of every setting, what is left and how good that is; no median where half of the errors are
    infinite.
    """
    rows = []
    for setting, of_setting in survivals.groupby("setting", sort=False):
        survivors = of_setting[of_setting["edges"].notna()]
        errors = survivors[["penalised_rmse", "test_rmse", "formula_rmse"]].astype(float)
        rows.append(
            (
                str(setting),
                " ".join(survivors["shape"]),
                *errors.median().replace(math.inf, math.nan),
            )
        )
    return page_tables("left", rows)


# --------------------------------------------------------------------------------------------------
# figures
def _pictures(
    counts: pd.DataFrame, points: pd.DataFrame, survivors: pd.DataFrame
) -> Iterator[Picture]:
    published = points.set_index("what")["published"].reindex(counts.index)
    yield picture("active_edges", "active_edges", partial(counts_figure, counts, published))
    standard = survivors[survivors["published"] == STANDARD]
    if len(standard):
        names = (
            "seed " + standard["seed"].astype(str) + standard["setting"].str.removeprefix(STANDARD)
        )
        networks = list(zip(names, standard["scores"], strict=True))
        yield picture("standard_networks", "standard_networks", partial(networks_figure, networks))


# --------------------------------------------------------------------------------------------------
# figures
ROW_HEIGHT, NETWORK_HEIGHT = 0.26, 1.5  # inches
OPACITY = 3.0  # the paper's beta: an edge is as dark as tanh(beta |phi|)
FAINTEST = 0.3  # the opacity of an edge that does nothing, which is a hair that survives a printer
GAP, DARKEST = 0.02, 0.6  # between cells, in widths of one; the opacity behind the largest number

Scores = Sequence[Sequence[Sequence[float]]]  # [layer][output][input]


@themed
def counts_figure(counts: pd.DataFrame, published: pd.Series) -> Figure:
    """A row a setting, a column a seed, and the published numbers in a column of their own at the
    left.

    The more edges are active, the darker; letters keep the colour of the page's.
    """
    table = counts.rename(columns=lambda seed: f"seed {seed}")
    table.insert(0, "published", published)
    figure, (axes,) = panel_grid(1, 1, ROW_HEIGHT * (len(table) + 2))
    for (row, column), edges in np.ndenumerate(table.to_numpy(float)):
        if np.isnan(edges):
            continue
        cell = (column + GAP, row + GAP)
        alpha = DARKEST * edges / np.nanmax(table.to_numpy(float))
        axes.add_patch(
            Rectangle(cell, 1 - 2 * GAP, 1 - 2 * GAP, fc=FAMILIES["kan"].colour, alpha=alpha, lw=0)
        )
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{edges:g}",
            ha="center",
            va="center",
            fontsize=LABEL_SIZE,
            color=INK,
        )
    axes.axvline(1, color=INK, lw=0.8)
    axes.set(xlim=(0, table.shape[1]), ylim=(len(table), 0))
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, labels=table.columns)
    axes.set_yticks(np.arange(len(table)) + 0.5, labels=table.index)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    write_head(figure, [], "Active edges, of 15: three would do")
    write_note(figure, ["Per range: the size of an edge is divided by the range of its knots."])
    return figure


@themed
def networks_figure(networks: Sequence[tuple[str, Scores]]) -> Figure:
    """A panel a network, inputs below and the output above."""
    figure, panels = panel_grid(
        len(networks), min(2 if is_narrow() else 4, len(networks)), NETWORK_HEIGHT
    )
    for axes, (title, scores) in zip(panels, networks, strict=True):
        _network(axes, scores)
        axes.set_title(title)
    return figure


def _network(axes: Axes, scores: Scores) -> None:
    sizes = [len(scores[0][0]), *(len(layer) for layer in scores)]
    places = [(np.arange(size) + 0.5) / size for size in sizes]
    for layer, rows in enumerate(scores):
        for (output, source), score in np.ndenumerate(np.array(rows)):
            ends = places[layer][source], places[layer + 1][output]
            activity = float(np.tanh(OPACITY * score))
            look: dict[str, Any] = {
                "lw": 0.4 + 1.1 * activity,
                "alpha": FAINTEST + (1 - FAINTEST) * activity,
            }
            axes.plot(ends, (layer, layer + 1), color=INK, **look)
    for layer, across in enumerate(places):
        axes.plot(across, np.full(len(across), layer), "o", ms=3, color=INK)
    axes.set(xlim=(0, 1), ylim=(-0.15, len(scores) + 0.15))
    axes.axis("off")
