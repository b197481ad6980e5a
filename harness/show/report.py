"""The report of an experiment as one self-contained page: what the other rooms found, in words; no new statistic."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from harness.base.files import whole_file
from harness.base.formats import human
from harness.families.space import Space
from harness.fit import Caution, Fit
from harness.judging.answer import number_lines, verdict_words
from harness.judging.checks import Check
from harness.judging.judge import Verdict, to_json
from harness.judging.pairs import pairs, pairs_axis
from harness.judging.scaling import SeriesFit, common_law, headline_axes, laws_of
from harness.judging.searched import Searched
from harness.planning.spaces import differences, varied_words
from harness.record import Record
from harness.show.checks import TITLES as CHECK_TITLES
from harness.show.checks import CheckRow, check_row
from harness.show.figures.residuals import experiment_residuals
from harness.show.figures.scaling import scaling_figure, tuning_note
from harness.show.figures.series import experiment_styles
from harness.show.figures.theme import base64_png
from harness.show.figures.tuning import tuning_figure
from harness.show.plans import held_out_rows
from harness.show.words import LAW_WORDS, LOSS_WORDS, exponent_words, loss_words
from harness.spec import (
    Arm,
    Cell,
    Formula,
    Manifest,
    Recipe,
    RunTask,
    all_axes,
    default_count,
)


class Note(NamedTuple):
    """What to know of a fit: the laws it is about, the code, and the sentence."""

    laws: str
    code: str
    reason: str


class LawWords(NamedTuple):
    """Both laws of the same sizes, in words."""

    pure: str
    floor_law: str
    floor: str
    sizes: int
    decades: str


class FitRow(NamedTuple):
    """A series on an axis: its laws, the same laws without the fit window if that leaves runs out, and what to know."""

    task: str
    series: str
    axis: str
    laws: LawWords
    without_window: LawWords | None
    drawn: str
    notes: list[Note]


# ------------------------------------------------------------------------------------------------------------- public
def write_report(
    manifest: Manifest,
    records: Mapping[str, Record],
    table: pd.DataFrame,
    fits: Sequence[SeriesFit],
    checks: Sequence[Check],
    verdicts: Sequence[Verdict],
    folder: Path,
    searched: Searched | None = None,
) -> Path:
    """Write `report.html` of a plan, whose `records` are by run id, into `folder`; with the search that it confirms."""
    tasks = list(run_tasks(manifest))
    rows = [_fit_row(laws, common_law(fits, task, axis)) for (task, _, axis), laws in laws_of(fits).items()]
    rows.sort(key=lambda row: tasks.index(row.task))
    experiment = manifest.experiment
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    shown = [one for one in fits if one.series not in crossed]
    page = template("report.html").render(
        manifest=manifest,
        experiment=experiment,
        counts=_counts(manifest, records.values()),
        headline=[row for row in rows if row.axis in headline_axes(manifest) and row.series not in crossed],
        held_out=sorted(
            held_out_rows(shown, headline_axes(manifest), human), key=lambda group: tasks.index(group[0].task)
        ),
        checks=_checks([check for check in checks if check.series not in crossed], tasks),
        check_titles=CHECK_TITLES,
        axes=len({row.axis for row in rows}),
        all_rows=rows,
        axis_words={name: axis.words for name, axis in all_axes().items()},
        work=default_count("flops_train"),
        loss=loss_words(table["metric"]),
        level=fits[0].fit.level,
        figure=base64_png(scaling_figure(manifest, table, fits)),
        residuals=base64_png(experiment_residuals(manifest, table, fits)),
        search=_search(manifest, searched, loss_words(table["metric"])) if searched else None,
        verdicts=[to_json(verdict) for verdict in verdicts],
        number_lines=number_lines,
        verdict_words=verdict_words,
        windows={(cell.task, cell.arm): cell.window for cell in manifest.cells if cell.window},
        cells=[_cell(cell) for cell in manifest.cells],
        infeasible=[cell for cell in manifest.cells if cell.infeasible],
        series=[_series(manifest, table, name) for name in dict.fromkeys(table["series"])],
        recipes={name: _json(recipe) for name, recipe in experiment.recipes.items()},
        tasks=[_task(label, task, manifest.formulas[label]) for label, task in run_tasks(manifest).items()],
        tuning_note=tuning_note(table),
        seconds_on=table["seconds_on"].iloc[0] if "seconds_on" in table else None,
        **_pairs(table, manifest),
        accuracies=_accuracies(table),
        provenance=provenance(record.provenance for record in records.values()),
        experiment_json=_json(experiment),
    )
    path = folder / "report.html"
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def template(name: str) -> Any:
    """A template of the package; a name that it is not given is an error."""
    environment = Environment(
        loader=PackageLoader("harness.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda words: re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(words)))
    environment.filters |= {"human": human, "sentence": lambda words: words[0].upper() + words[1:]}
    return environment.get_template(name)


def run_tasks(manifest: Manifest) -> dict[str, RunTask]:
    """Task label -> the task as its runs know it."""
    labels = {cell.index: cell.task for cell in manifest.cells}
    return {labels[planned.cell]: planned.run.task for planned in manifest.runs}


def _json(model: Any) -> str:
    return json.dumps(model.model_dump(mode="json"), indent=1, ensure_ascii=False)


def _counts(manifest: Manifest, records: Iterable[Record]) -> dict[str, int]:
    statuses = Counter(record.status for record in records)
    return {"planned": len(manifest.run_ids()), "done": statuses["done"], "diverged": statuses["diverged"]}


# --------------------------------------------------------------------------------------------------------------- fits
def _fit_row(laws: dict[str, SeriesFit], drawn: str) -> FitRow:
    pure, floor = laws["pure"], laws["floor"]
    law = laws[drawn].fit
    return FitRow(
        task=pure.task,
        series=pure.series,
        axis=pure.axis,
        laws=_law_words(pure.fit, floor.fit),
        without_window=_law_words(pure.without_window, floor.without_window)
        if pure.without_window and floor.without_window
        else None,
        drawn="none" if law.refusals else law.law,
        notes=_notes(pure, floor),
    )


def _law_words(pure: Fit, floor: Fit) -> LawWords:
    sizes, decades = len(pure.points.sizes), f"{pure.decades:.2g}"
    return LawWords(exponent_words(pure), exponent_words(floor), _floor(floor), sizes, decades)


def _floor(fit: Fit) -> str:
    if fit.floor is None or fit.floor_interval is None:
        return "–"
    return f"{human(fit.floor)} [{human(fit.floor_interval.low)}, {human(fit.floor_interval.high)}]"


def _notes(pure: SeriesFit, floor: SeriesFit) -> list[Note]:
    """Refusals first, then warnings and predictions that cannot be made, then the runs that are in no law.

    What both laws say is said once.
    """
    said: dict[tuple[str, str], list[str]] = {}
    for one in (pure, floor):
        for refusal in one.fit.refusals:
            said.setdefault((refusal.code, f"refused: {refusal.reason}"), []).append(one.fit.law)
    for one in (pure, floor):
        for warning in one.fit.warnings:
            said.setdefault((warning.code, warning.reason), []).append(one.fit.law)
        if one.held_out and one.held_out.reason and not one.fit.refusals:
            said.setdefault(("HELD_OUT", f"no prediction: {one.held_out.reason}"), []).append(one.fit.law)
    notes = [Note("both laws" if len(laws) > 1 else LAW_WORDS[laws[0]], *what) for what, laws in said.items()]
    if pure.outside:
        notes.append(
            Note("both laws", "OUTSIDE", f"runs outside the fit window, drawn hollow: {pure.outside}{_fitted(pure)}.")
        )
    if pure.diverged:
        notes.append(Note("both laws", "DIVERGED", f"runs that diverged and are in no law: {pure.diverged}."))
    return notes


def _fitted(one: SeriesFit) -> str:
    sizes = one.fit.points.sizes
    return f"; laws are fitted from {human(sizes[0])} to {human(sizes[-1])}" if sizes.size else ""


def _checks(checks: Sequence[Check], tasks: Sequence[str]) -> list[tuple[CheckRow, tuple[Caution, ...]]]:
    ordered = sorted(checks, key=lambda check: tasks.index(check.task))
    return [(check_row(check), check.cautions) for check in ordered]


# --------------------------------------------------------------------------------------------------------- plan, runs
def _accuracies(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What share of test points the chosen runs of each size tell right, where classes are learnt."""
    runs = table[table["chosen"] & (table["metric"] == "cross_entropy") & (table["status"] == "done")]
    groups = runs.groupby(["task", "series", "cell"], sort=False)
    return [
        {
            "task": task,
            "series": series,
            "size": human(of_size["params.trainable"].median()),
            "mean": f"{of_size['test_accuracy'].mean():.1%}",
            "range": f"{of_size['test_accuracy'].min():.1%} to {of_size['test_accuracy'].max():.1%}",
            "seeds": len(of_size),
        }
        for (task, series, _), of_size in groups
    ]


def _pairs(table: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """The arms side by side at equal size, as the page shows it."""
    axis = pairs_axis(manifest)
    found = pairs(table, axis)
    beside = [name for name, one in all_axes().items() if one.beside_pairs]  # all of them are in pairs.csv
    names = [name for name in beside if name != axis and f"ratio.{name}" in found]
    rows = [
        {
            "task": row["task"],
            "first": row["first"],
            "second": row["second"],
            "size": human(row["size"]),
            "off": f"{row['nearest_off']:+.0%}",
            "loss": _ratio(row["loss_ratio"]),
            "ratios": [_ratio(row[f"ratio.{name}"]) for name in names],
        }
        for row in found.to_dict("records")
    ]
    return {"pairs": rows, "pairs_axis": axis, "pairs_counts": names}


def _ratio(value: float) -> str:
    return f"{value:.3g}" if value == value else "–"


def _search(manifest: Manifest, searched: Searched, loss: str) -> dict[str, Any]:
    """What a report says of a search: what varied in each arm, the tuning curves, and the winners."""
    experiment = manifest.experiment
    winners = searched.winners
    declared = winners[winners["searched"] == "as declared"]
    flattered = declared["flattered"].dropna()
    return {
        "asked": experiment.search,
        "confirms": manifest.confirms,
        "spaces": {
            name: ([varied_words(*axis) for axis in space.items()], _of_standard(experiment.arms[name], space))
            for name, space in manifest.spaces.items()
        },
        "halving": searched.halving.to_dict("records") if searched.halving is not None else None,
        "figure": base64_png(
            tuning_figure(searched.curves, experiment_styles(manifest), searched.confirmed, pairs_axis(manifest), loss)
        ),
        "winners": declared.to_dict("records"),
        "others": len(winners) - len(declared),
        "flattered": (flattered.median(), flattered.max()) if len(flattered) else None,
    }


def _of_standard(arm: Arm, space: Space) -> str:
    """How the space of an arm differs from its family's; what the arm cannot vary is no difference."""
    return (
        differences(space, arm.architecture.standard_space) if isinstance(arm.space, dict) else "it is the standard one"
    )


def _cell(cell: Cell) -> dict[str, Any]:
    exact = (default_count("params"), default_count("flops_forward"))
    return {
        "task": cell.task,
        "series": cell.series,
        "network": cell.network.long_words if cell.network else "–",
        "asked": f"{cell.asked:,.6g}" if cell.asked is not None else "–",
        "achieved": f"{cell.achieved:,.6g}" if cell.achieved is not None else "–",
        "off": f"{cell.residual:+.1%}" if cell.residual is not None else "–",
        "counts": [f"{cell.counts[name]:,}" for name in exact] if cell.counts else ["–", "–"],
        "work": human(cell.counts[default_count("flops_train")]) if cell.counts else "–",
        "in_window": cell.in_window,
        "infeasible": cell.infeasible,
    }


def _series(manifest: Manifest, table: pd.DataFrame, name: str) -> dict[str, Any]:
    rows = table[table["series"] == name]
    arm = manifest.experiment.arms[rows["arm"].iloc[0]]
    cells = set(rows["cell"])
    recipes = [planned.run.recipe for planned in manifest.runs if planned.cell in cells]
    is_searched = manifest.confirms is not None
    winners = Counter(rows[rows["chosen"]].drop_duplicates("cell")["trial"])
    chosen = ", ".join(f"trial {trial} in {count}" for trial, count in sorted(winners.items()))
    tune = manifest.experiment.tune if arm.tune is None else arm.tune
    return {
        "name": name,
        "cells": len(cells),
        "planned": len(rows),
        "done": int((rows["status"] == "done").sum()),
        "diverged": int((rows["status"] == "diverged").sum()),
        "recipe": arm.recipe,
        "optimizer": _distinct(recipe.optimizer.title for recipe in recipes) + f" ({_distinct(rows['engine'])} engine)",
        "cap": _distinct(f"{recipe.max_evaluations:,}" for recipe in recipes),
        "spent": _span(rows["evaluations"]),
        "starts": _distinct(_starts(recipe) for recipe in recipes),
        "tune": "; ".join(f"{path} in {', '.join(map(str, values))}" for path, values in tune.items()) or "nothing",
        "trials": int(rows["trials"].max()) if is_searched else len(set(rows["trial"])),
        "winners": "see Search" if is_searched else chosen,
    }


def _starts(recipe: Recipe) -> str:
    starts = recipe.restarts
    return f"{starts.count} of {starts.evaluations} evaluations, best goes on" if starts.count > 1 else "1"


def _distinct(values: Iterable[object]) -> str:
    """The different values, in order of appearance."""
    return "; ".join(dict.fromkeys(str(value) for value in values))


def _span(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _box(task: RunTask) -> str:
    intervals = [f"[{low:g}, {high:g}]" for low, high in task.box]
    return " × ".join(intervals) if len(set(intervals)) > 1 else intervals[0]


def _task(label: str, task: RunTask, target: Formula) -> dict[str, Any]:
    return {
        "label": label,
        "formula": target.formula,
        "source": target.source,
        "loss": LOSS_WORDS[task.metric].removeprefix("test "),
        "inputs": task.inputs,
        "box": _box(task),
        "points": [f"{count:,}" for count in (task.train_points, task.validation_points, task.test_points)],
    }


# --------------------------------------------------------------------------------------------------------- provenance
def provenance(found: Iterable[Any]) -> dict[str, Any]:
    """Where the runs were made, each with the number of runs; seconds are counted once a pack."""
    places = list(found)
    commits = Counter((one.commit or "not from a git checkout", one.dirty) for one in places)
    machines = Counter((one.host, one.device, one.threads) for one in places)
    versions = Counter(", ".join(f"{name} {number}" for name, number in one.versions.items()) for one in places)
    packs = {(one.host, one.started_at, one.pack_seconds) for one in places}
    starts = sorted(one.started_at for one in places)
    return {
        "commits": commits.most_common(),
        "machines": machines.most_common(),
        "versions": versions.most_common(),
        "first": starts[0],
        "last": starts[-1],
        "packs": len(packs),
        "seconds": f"{sum(seconds for *_, seconds in packs):,.0f}",
    }
