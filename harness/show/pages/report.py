"""The report of an experiment as one self-contained page: what the other rooms found, in words; no new statistic."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.formats import human
from harness.base.plain import plain
from harness.judging.laws import SeriesLaws
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Verdict
from harness.judging.versus import FAR, Headline, NoHeadline
from harness.record import Record
from harness.show.figures.headline import headline_figure
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.svg import inline_svg
from harness.show.pages.page import provenance, write_html
from harness.show.tables import headline as headline_tables
from harness.show.tables.laws import law_tables, laws_table, uncrossed
from harness.show.tables.plans import plan_table, spaces_table
from harness.show.tables.runs import accuracies_table, run_tasks, series_table, tasks_table
from harness.show.words import loss_of_laws
from harness.spec import Manifest, axis_words

RESIDUALS_SAY = "Residuals of the drawn laws against size and against the law's value, two panels a series"


def write_report(
    manifest: Manifest,
    records: Mapping[str, Record],
    table: pd.DataFrame,
    laws: Sequence[SeriesLaws],
    found: Headline | NoHeadline,
    verdicts: Sequence[Verdict],
    folder: Path,
) -> Path:
    """Write `report.html` of a plan into `folder`.

    `records` are by run id, and `found` is who is better at equal size. What is None or empty has no section.
    """
    loss = loss_of_laws(laws)
    recipes = manifest.experiment.recipes
    return write_html(
        folder / "report.html",
        "report.html",
        manifest=manifest,
        statuses=Counter(record.status for record in records.values()),
        answer=_answer(manifest, found),
        verdicts=list(map(plain, verdicts)),
        accuracies=accuracies_table(table),
        loss=loss,
        laws=_laws(manifest, laws, loss),
        seconds_on=table["seconds_on"].iloc[0] if "seconds_on" in table else None,
        plan=_plan(manifest, loss),
        runs={"series": series_table(manifest, table), "tasks": tasks_table(manifest)},
        trials=int(table["trials"].max()),
        provenance=provenance(record.provenance for record in records.values()),
        recipes_json={name: _json(recipe) for name, recipe in recipes.items()},
        experiment_json=_json(manifest.experiment),
    )


def _json(model: Any) -> str:
    return json.dumps(model.model_dump(mode="json"), indent=1, ensure_ascii=False)


def _answer(manifest: Manifest, found: Headline | NoHeadline) -> dict[str, Any]:
    """Who is better at equal size, by how much; where there are no two sides, the sentence says why."""
    if isinstance(found, NoHeadline):
        return {"sentences": [found.why], "table": None, "figure": None, "cautions": ()}
    sides = (found.first.label, found.second.label)
    styles = experiment_styles(manifest, {side.label: side.names for side in found.sides})
    says = f"How many times lower the test loss of {sides[0]} or {sides[1]} is, at equal size"
    return {
        "found": found,
        "sides": sides,
        "loss": headline_tables.loss_of(found),
        "sentences": headline_tables.answer_sentences(found),
        "table": headline_tables.answer_table(found),
        "others": headline_tables.others_table(found),
        "efforts": headline_tables.effort_table(found),
        "far": FAR,
        "cautions": found.cautions,
        "figure": inline_svg(lambda: headline_figure(found, styles), "ratios-figure", says),
    }


def _laws(manifest: Manifest, laws: Sequence[SeriesLaws], loss: str) -> dict[str, Any]:
    """The laws on the headline axes and on all, and how far to trust them, if they were checked.

    Series that were crossed with budgets, whose sizes are those of valleys, are in the table of every axis alone.
    """
    axes, tasks = headline_axes(manifest), list(run_tasks(manifest))
    every_axis = tuple(dict.fromkeys(one.axis for one in laws))
    ordered = sorted(laws, key=lambda one: tasks.index(one.task))
    own = uncrossed(manifest, ordered)
    tables = law_tables(own, axes)
    checks = tables.get("checks")
    return {
        "level": laws[0].level,
        "figure": inline_svg(
            lambda: scaling_figure(manifest, laws), "laws-figure", f"{loss} against size, a row a task"
        ),
        "headline": tables["laws"],
        "every_axis": laws_table(ordered).without_notes(),
        "axes": every_axis,
        "of_budgets": len(own) < len(ordered),
        "checks": checks,
        "residuals": checks and inline_svg(lambda: residuals_figure(manifest, laws), "residuals-figure", RESIDUALS_SAY),
        "held_out": checks and tables.get("held_out"),
    }


def _plan(manifest: Manifest, loss: str) -> dict[str, Any]:
    """What the search varies; fit windows in words; and every cell."""
    windows: dict[tuple[str, str], str] = {}
    for cell in manifest.cells:
        if window := cell.window:
            words = f"{cell.arm} on {cell.task}:"
            if window.min is not None or window.max is not None:
                words += f" {axis_words(window.axis)}"
            if window.min is not None:
                words += f" from {human(window.min)}"
            if window.max is not None:
                words += f" up to {human(window.max)}"
            if window.until is not None:
                words += f" up to the size with the least mean {loss}, found on each axis after the run"
            windows[cell.task, cell.arm] = words
    return {
        "spaces": spaces_table(manifest) if manifest.spaces else None,
        "windows": list(windows.values()),
        "cells": plan_table(manifest, in_full=True),
    }
