"""The report of an experiment as one self-contained page: what the other rooms found, in words; no
new statistic.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.plain import plain
from harness.judging.laws import SeriesLaws
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Verdict
from harness.judging.versus import Baseline, Headline, NoHeadline
from harness.record.schema import Record
from harness.show.figures.headline import headline_figure
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.svg import inline_svg
from harness.show.pages.page import provenance, write_html
from harness.show.tables import headline
from harness.show.tables.laws import law_tables, laws_table, uncrossed
from harness.show.tables.plans import plan_table, spaces_table
from harness.show.tables.runs import accuracies_table, run_tasks, series_table, tasks_table
from harness.show.words import loss_of_laws
from harness.spec.manifest import Manifest


def write_report(
    manifest: Manifest,
    records: Mapping[str, Record],
    table: pd.DataFrame,
    laws: Sequence[SeriesLaws],
    answer: Headline | NoHeadline,
    verdicts: Sequence[Verdict],
    folder: Path,
) -> Path:
    """Write `report.html` of a plan into `folder`.

    `records` are by run id, and `answer` is who is better at equal size. What is None or empty has
    no section.
    """
    loss, ratios = loss_of_laws(laws), None
    if isinstance(answer, Headline):
        styles = experiment_styles(manifest, answer.names)
        says = (
            f"How many times lower the test loss of {answer.first.label} or "
            f"{answer.second.label} is, at equal size"
        )
        ratios = inline_svg(partial(headline_figure, answer, styles), "ratios-figure", says)
    return write_html(
        folder / "report.html",
        "report.html",
        manifest=manifest,
        statuses=Counter(record.status for record in records.values()),
        found=answer,
        answers=headline,
        ratios=ratios,
        verdicts=list(map(plain, verdicts)),
        accuracies=accuracies_table(table),
        loss=loss,
        laws=_laws(manifest, laws, loss, answer.baselines if isinstance(answer, Headline) else ()),
        seconds_on=table["seconds_on"].iloc[0] if "seconds_on" in table else None,
        spaces=spaces_table(manifest),
        windows={(cell.task, cell.arm): cell.window for cell in manifest.cells if cell.window},
        cells=plan_table(manifest, in_full=True),
        runs={"series": series_table(manifest, table), "tasks": tasks_table(manifest)},
        provenance=provenance(record.provenance for record in records.values()),
    )


def _laws(
    manifest: Manifest, laws: Sequence[SeriesLaws], loss: str, baselines: Sequence[Baseline]
) -> dict[str, Any]:
    """The laws on the headline axes and on all, and how far to trust them, if they were checked.

    Series that were crossed with budgets, whose sizes are those of valleys, are in the table of
    every axis alone.
    """
    tasks, says = list(run_tasks(manifest)), f"{loss} against size, a row a task"
    residuals_say = "Residuals of the drawn laws against size, a panel a series"
    ordered = sorted(laws, key=lambda series: tasks.index(series.task))
    of_sizes = uncrossed(manifest, ordered)
    tables = law_tables(of_sizes, headline_axes(manifest))
    checks, residuals = tables.get("checks"), partial(residuals_figure, manifest, laws)
    fits = list(chain.from_iterable(series.fits.values() for series in laws))
    refused = {tuple(refusal.code for refusal in fit.refusals) for fit in fits}
    sides, others = of_sides(manifest, laws)
    asked, rest = (
        partial(scaling_figure, manifest, laws, names, baselines) for names in (sides, others)
    )
    return {
        "level": laws[0].level,
        "figure": inline_svg(asked, "laws-figure", says),
        "others": others and inline_svg(rest, "others-figure", says),
        "headline": tables["laws"],
        "refused": fits[0].refusals if len(refused) == 1 else (),  # all, for one reason
        "every_axis": laws_table(ordered).without_notes(),
        "axes": {series.axis for series in laws},
        "of_budgets": len(of_sizes) < len(ordered),
        "checks": checks,
        "residuals": checks and inline_svg(residuals, "residuals-figure", residuals_say),
        "held_out": checks and tables.get("held_out"),
    }
