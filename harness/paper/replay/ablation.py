"""The kind of replay that counts the edges left of KANs trained sparse, setting by setting: appendix C."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.figures.edges import counts_figure, networks_figure
from harness.paper.replay.outcome import in_one_sentence, with_outcomes
from harness.record import Pruned, Record
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.spec import KanShape

WORDS = {"strength": "λ", "grid": "G", "order": "k"}
STANDARD, PER_RANGE = "standard", ", per range"
READ = 1e-4  # a formula's test RMSE up to which a run counts as read into the true one; targets are of size 1


class Survival(NamedTuple):
    """One run: its setting and seed, and what pruning left, None if it diverged under the penalty.

    `setting` says how norms are taken too, `published` is its name in the published table, where nothing is said of it.
    """

    setting: str
    published: str
    seed: int
    record: Record
    pruned: Pruned | None


def ablation(runs: ReplayRuns, replay: Replay) -> Page:
    """The page of the ablation: active edges by setting and seed, and the formulas of what is left."""
    (name,) = replay.published
    published = load(name)
    survivals = _survivals(runs, published)
    points = _points(published, survivals)
    counts = _by_seed(survivals)
    return Page(
        points=points,
        figures=(_counts(counts, points), *_networks(survivals)),
        findings=tuple(_findings(points, counts, survivals)),
        tables=(_counts_table(counts, points), _left_table(survivals), *_formulas_table(survivals)),
    )


# ---------------------------------------------------------------------------------------------------------- two sides
def _survivals(runs: ReplayRuns, published: pd.DataFrame) -> list[Survival]:
    standard = published[published["setting"] == STANDARD].iloc[0]
    found = []
    for planned in runs.manifest.runs:
        record = runs.records.get(planned.run_id)
        if record is None:  # the page says how many have none
            continue
        name, sparsity = _setting(_knobs(record), standard), planned.run.recipe.sparsity
        setting = name + PER_RANGE if sparsity and sparsity.per_range else name
        found.append(Survival(setting, name, planned.run.seed, record, record.pruned))
    return found


def _knobs(record: Record) -> dict[str, float]:
    """What is varied, of one run; entropy is there or it is not."""
    sparsity, network = record.run.recipe.sparsity, record.run.network
    assert sparsity
    assert isinstance(network, KanShape)
    return {
        "strength": sparsity.strength,
        "entropy": float(sparsity.entropy > 0),
        "grid": network.grid,
        "order": network.order,
    }


def _setting(knobs: dict[str, float], standard: pd.Series) -> str:
    """In words: the knobs that are not as in the standard setting."""
    other = {name: value for name, value in knobs.items() if value != standard[name]}
    return ", ".join(
        ("with" if value else "without") + " entropy" if name == "entropy" else f"{WORDS[name]} = {value:g}"
        for name, value in other.items()
    ) or str(standard["setting"])


def _points(published: pd.DataFrame, survivals: list[Survival]) -> pd.DataFrame:
    """A row a setting of ours, and one more for each published setting without a run."""
    rows = []
    known = published.set_index("setting")["edges"].astype(float)
    names = {one.setting: one.published for one in survivals}
    for setting, counts in _by_seed(survivals).iterrows():
        left = counts.dropna()
        summary = {"median": left.median(), "best": left.min(), "worst": left.max(), "seeds": len(left)}
        edges = known.get(names[str(setting)], np.nan)
        rows.append({"what": setting, "ours": setting, "published": edges, **summary})
    there = set(names.values())
    rows += [{"what": setting, "published": edges} for setting, edges in known.items() if setting not in there]
    points = pd.DataFrame(rows).assign(errata="")
    return with_outcomes(points, tolerance=2.0)


def _by_seed(survivals: list[Survival]) -> pd.DataFrame:
    """Active edges, a row a setting and a column a seed; nan where a run diverged."""
    edges = [(one.setting, one.seed, one.pruned.active_edges if one.pruned else np.nan) for one in survivals]
    table = pd.DataFrame(edges, columns=["setting", "seed", "edges"])
    order = list(dict.fromkeys(table["setting"]))
    return table.pivot_table(index="setting", columns="seed", values="edges", dropna=False).loc[order]


# -------------------------------------------------------------------------------------------------------------- words
def _findings(points: pd.DataFrame, counts: pd.DataFrame, survivals: list[Survival]) -> Iterator[str]:
    yield in_one_sentence(points)
    for row in points[points["published"].notna() & points["median"].notna()].itertuples():
        yield (
            f"{row.what}: {row.published:g} edges in the paper, with one seed; ours {row.median:g} in the median of "
            f"{row.seeds} seeds, {row.best:g} to {row.worst:g}."
        )
    if STANDARD in counts.index and len(counts) > 1:
        medians = counts.median(axis=1)
        spread = counts.loc[STANDARD].max() - counts.loc[STANDARD].min()
        yield (
            f"Settings move the median from {medians.min():g} ({medians.idxmin()}) to {medians.max():g} "
            f"({medians.idxmax()}) edges; seeds alone move the standard setting by {spread:g}."
        )
    yield from _lost(survivals)
    three = [one for one in survivals if one.pruned and one.pruned.network.shape == (2, 1, 1)]
    yield f"{len(three)} of {len(survivals)} runs are pruned to [2,1,1], the shape of the function."
    if read := [one for one in survivals if _formula_error(one) < READ]:
        best = min(read, key=_formula_error)
        assert best.pruned
        assert best.pruned.formula
        yield (
            f"{len(read)} runs are read into a formula with a test RMSE below {READ:g}, the best one "
            f"{best.pruned.formula.text} ({best.setting}, seed {best.seed}: {human(_formula_error(best))})."
        )


def _lost(survivals: list[Survival]) -> Iterator[str]:
    """Runs that lost one of the inputs, of which the function needs both."""
    lost = [
        (one, one.record.metrics.losses.test)
        for one in survivals
        if one.pruned and one.record.metrics and len(one.pruned.inputs) < one.record.run.network.inputs
    ]
    if lost:
        per_range = sum(one.setting.endswith(PER_RANGE) for one, _ in lost)
        yield (
            f"Inputs that the function needs were lost in {len(lost)} runs, {len(lost) - per_range} with norms as in "
            f"eq. 2.17 and {per_range} with norms per range: their test RMSE is {human(min(rmse for _, rmse in lost))} "
            "or more."
        )


def _formula_error(one: Survival) -> float:
    """The test RMSE of a run's formula; infinite if it has none."""
    formula = one.pruned.formula if one.pruned else None
    return np.inf if formula is None or formula.test_rmse is None else formula.test_rmse


def _counts_table(counts: pd.DataFrame, points: pd.DataFrame) -> Table:
    seeds = [f"seed {seed}" for seed in counts.columns]
    known = {row.what: row for row in points.itertuples()}
    rows = [
        (setting, known[setting].published, *row, known[setting].median, known[setting].outcome)
        for setting, row in zip(counts.index.astype(str), counts.to_numpy(), strict=True)
    ]
    introduction = (
        "Edges of the trained network, before anything is pruned, whose mean absolute value over the training points "
        "is above the threshold; per range, that over the range of the edge's knots. A setting is named by what is not "
        "standard."
    )
    columns = (*text_columns("setting"), *number_columns("published", *seeds, "median"), *text_columns("outcome"))
    return table_of("Active edges", columns, rows, introduction)


def _left_table(survivals: list[Survival]) -> Table:
    """Of every setting, what is left and how good that is."""
    rows = []
    for setting in dict.fromkeys(one.setting for one in survivals):
        here = [one for one in survivals if one.setting == setting and one.pruned]
        shapes = ["[" + ",".join(map(str, one.pruned.network.shape)) + "]" for one in here if one.pruned]
        before = [one.pruned.test_rmse for one in here if one.pruned]
        after = [one.record.metrics.losses.test if one.record.metrics else np.inf for one in here]
        errors = [_formula_error(one) for one in here]
        rows.append((setting, " ".join(shapes), _median(before), _median(after), _median(errors)))
    introduction = (
        "Shapes by seed, and medians over seeds of test RMSE: of the whole network at the end of the penalised part, "
        "of the pruned network after its own training, and of the formula it is read into."
    )
    columns = (
        *text_columns("setting", "shapes left"),
        *number_columns("RMSE with the penalty", "RMSE pruned and trained on", "RMSE of the formula"),
    )
    return table_of("What is left", columns, rows, introduction)


def _median(values: list[float]) -> float:
    """nan where there is none, or half of them are not finite."""
    median = float(np.median(values)) if values else np.nan
    return median if np.isfinite(median) else np.nan


def _formulas_table(survivals: list[Survival]) -> Iterator[Table]:
    """The best formula of every setting, if there are any."""
    rows: list[tuple[str | float | None, ...]] = []
    for setting in dict.fromkeys(one.setting for one in survivals):
        best = min((one for one in survivals if one.setting == setting), key=_formula_error)
        if best.pruned and best.pruned.formula and _formula_error(best) < np.inf:
            formula = best.pruned.formula
            rows.append((setting, best.seed, formula.text, formula.least_r2, _formula_error(best)))
    if rows:
        introduction = (
            "The seed whose formula has the least test RMSE. Every edge is snapped to a function by its values, then "
            "all constants are fitted together; the least R² is that of the edges before. A formula of several hidden "
            "nodes can be good and still not be the function."
        )
        columns = (*text_columns("setting", "seed", "formula"), *number_columns("least R²", "test RMSE"))
        yield table_of("Read into formulas", columns, rows, introduction)


# ------------------------------------------------------------------------------------------------------------ figures
def _counts(counts: pd.DataFrame, points: pd.DataFrame) -> Picture:
    published = points.set_index("what")["published"].reindex(counts.index)
    return Picture(
        "active_edges",
        partial(counts_figure, counts, published),
        "A heat map of the number of active edges, settings downwards and seeds across, beside the published numbers.",
        "Edges of a KAN [2,5,1] that are active after training with the penalty, of 15; three would do. Left what "
        "App. C shows, as far as it gives a number.",
    )


def _networks(survivals: list[Survival]) -> Iterator[Picture]:
    """The networks of the standard setting, if any was not lost."""
    shown = [one for one in survivals if one.published == STANDARD and one.pruned]
    if shown:
        yield Picture(
            "standard_networks",
            partial(networks_figure, [(_title(one), one.pruned.scores) for one in shown if one.pruned]),
            "Diagrams of the networks of the standard setting, one a seed, every edge as dark as it is active.",
            "The standard setting before pruning, inputs below. An edge is the darker and thicker, the larger "
            "tanh(3 |φ|), which the paper's figures have as opacity: a hair is hardly used.",
        )


def _title(one: Survival) -> str:
    return f"seed {one.seed}" + (PER_RANGE if one.setting.endswith(PER_RANGE) else "")
