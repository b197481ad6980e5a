"""The laws of a table of runs: of a search over its replicates, of other runs by likelihood."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from harness import laws
from harness.comparison.replicates import exponent
from harness.judging.kept import kept, prepare
from harness.judging.scaling import LAWS, SeriesFit, SeriesLaw, chosen_runs, size_axes, with_parts, won_on
from harness.judging.sides import SideCurve, curve_of
from harness.laws import Fit, size_means
from harness.laws.held_out import extrapolate, warn_of_distance
from harness.laws.precision import warn_of_precision
from harness.laws.replicates import lines_of
from harness.laws.window import warn_of_cut


def fit_table(table: pd.DataFrame, axes: Sequence[str] | None = None, level: float = 0.95) -> list[SeriesFit]:
    """Both laws for every task, series and axis of a table of runs (`record.load`), from runs in the fit window.

    Of a search with replicates it is the law without a floor, by each replicate's own curve (`law_of_replicates`). Else
    laws are of `test_loss`, in the metric of the task, on achieved sizes and counted work. Diverged runs cannot enter a
    law of their error; they are counted. A law is warned where its exponent hangs on a window that the data cut. Where
    a convention counts nothing (`matmul` of a KAN without base) or does not define a family, there is no law.
    """
    asked = [axis for axis in (size_axes() if axes is None else axes) if axis in table]
    if "won_on" in table:
        return list(_of_search(table, asked, level))
    groups = []
    for axis in asked:
        rows = with_parts(chosen_runs(table, axis))
        for (task, series), group in rows[rows["size"] > 0].groupby(["task", "series"], sort=False):
            groups.append((str(task), str(series), axis, group))
    fitted = itertools.chain.from_iterable(_fitted(runs) for _, _, _, runs in groups)
    prepare(laws.fit_law, [(*_xy(runs), law, level) for runs, law in itertools.product(fitted, LAWS)], "laws")
    return [_series_fit(*group, law, level) for group, law in itertools.product(groups, LAWS)]


def _fitted(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of a series that its law is fitted to; and, if any lie outside of the window, all of them."""
    parts = runs["part"]
    inside = runs[parts == "fitted"]
    return [inside, runs[parts.isin(("fitted", "outside"))]] if (parts == "outside").any() else [inside]


def _series_fit(task: str, series: str, axis: str, runs: pd.DataFrame, law: SeriesLaw, level: float) -> SeriesFit:
    parts = runs["part"]
    result, *rest = (_fit(own, law, level) for own in _fitted(runs))
    everywhere, held_out = next(iter(rest), None), None
    if everywhere and runs["until_minimum"].any():
        result = warn_of_cut(result, everywhere)
    if (parts == "held_out").any():
        x, y = _xy(runs[parts == "held_out"])
        result = warn_of_distance(result, x)
        held_out = kept(extrapolate, result, x, y)
    diverged, outside = int((parts == "diverged").sum()), int((parts == "outside").sum())
    metric = str(runs["metric"].iloc[0])
    return SeriesFit(task, series, axis, result, diverged, outside, everywhere, held_out, metric)


def _fit(runs: pd.DataFrame, law: SeriesLaw, level: float) -> Fit:
    found = kept(laws.fit_law, *_xy(runs), law, level)
    # Targets are taken to be of size 1, as those of the paper's toys are. A small cross-entropy has all its digits.
    has_floor = len(runs) and runs["metric"].iloc[0] == "rmse"
    return warn_of_precision(found, runs["dtype"].iloc[0]) if has_floor else found


def _xy(runs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return runs["size"].to_numpy(), runs["test_loss"].to_numpy()


def _of_search(table: pd.DataFrame, axes: Sequence[str], level: float) -> Iterator[SeriesFit]:
    for axis, (task, series) in itertools.product(
        axes, dict.fromkeys(zip(table["task"], table["series"], strict=True))
    ):
        rows = table[(table["task"] == task) & (table["series"] == series)]
        if (won_on(rows, axis)[axis] > 0).any():
            diverged = int((chosen_runs(rows, axis)["status"] != "done").sum())
            found = law_of_replicates(curve_of(rows, axis), level)
            yield SeriesFit(task, series, axis, found, diverged, 0, loss=str(rows["metric"].iloc[0]))


def law_of_replicates(curve: SideCurve, level: float = 0.95) -> Fit:
    """The law amplitude * size^-alpha of a side: the means over the lines of its replicates, with Student's interval.

    Copies of one network carry no law, and no rising law is drawn: these are refused (`comparison.replicates`).
    """
    found = exponent(curve.over_budgets, level)
    known = np.isfinite(curve.logs)
    points = size_means(np.repeat(curve.sizes, known.sum(axis=1)), np.exp(curve.logs[known]), robust=False)
    law = Fit(
        law="pure",
        points=points,
        level=level,
        decades=points.decades,
        dof=len(curve.seeds) - 1,
        refusals=found.refusals,
        warnings=found.cautions,
    )
    if found.found is None:
        return law
    lines = lines_of(curve.sizes, curve.logs.T)
    lines = lines[np.isfinite(lines).all(axis=1)]
    log_amplitude = float(lines[:, 0].mean())
    return replace(
        law,
        lines=lines,
        alpha=found.found.value,
        alpha_interval=found.found.interval,
        amplitude=float(np.exp(log_amplitude)),
        log_amplitude=log_amplitude,
        objective="least squares of each replicate",
    )
