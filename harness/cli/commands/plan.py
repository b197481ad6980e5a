"""`harness plan`."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from harness.cli.options import EXAMPLE, json_option, replan_option, takes_study
from harness.cli.showing import answer
from harness.planning.warnings import warnings_line
from harness.record.store import missing
from harness.show.costs import beside_note, recipe_note
from harness.show.tables.plans import budgets_table, plan_table
from harness.spec.manifest import Manifest
from harness.study.folders import StudyFile, records_of
from harness.study.plans import (
    cost_sentence,
    data_lines,
    device_lines,
    freeze_plan,
    memory_lines,
    plan_of,
)

MOST_SIZES = 10  # that are shown unless all are asked for


@click.command(epilog=f"Example: harness plan {EXAMPLE}")
@takes_study
@replan_option
@click.option(
    "--all", "every", is_flag=True, help=f"Show all sizes.  [default: the first {MOST_SIZES}]"
)
@json_option
def plan(study: StudyFile, replan: bool, every: bool, as_json: bool) -> None:
    """Solve every size, freeze the plan, and show what it costs.

    The table has the asked and the achieved budget of the first sizes; the page that `harness
    report` writes has all.
    """
    manifest = freeze_plan(plan_of(study), study.folder, replan)
    table = plan_table(manifest)
    left_out = 0 if every else len(table.rows) - MOST_SIZES
    more = [f"and {left_out:,} more; --all shows them"] if left_out > 0 else []
    shown = replace(table, rows=table.rows[: None if every else MOST_SIZES])
    budgets = [budgets_table(manifest)] if manifest.experiment.read_at else []
    answer(manifest, as_json, itertools.chain([shown], more, budgets, _lines(manifest, study)))


def _lines(manifest: Manifest, study: StudyFile) -> Iterator[str]:
    infeasible = Counter(
        f"{cell.task} {cell.series}: {cell.infeasible}"
        for cell in manifest.cells
        if cell.infeasible
    )
    for why, cells in infeasible.items():
        yield f"infeasible{f' ({cells} cells)' if cells > 1 else ''}: {why}"
    if infeasible:
        yield "where an arm cannot meet a budget, its curve is read between its two nearest sizes"
    yield from filter(None, [recipe_note(manifest), beside_note(manifest)])
    yield from data_lines(manifest)
    yield cost_sentence(manifest, study.results)
    yield from memory_lines(manifest)
    yield from (f"warning: {line}" for line in device_lines(manifest))
    yield from filter(None, [warnings_line(manifest)])
    yield from _power_lines(manifest, study)
    yield f"frozen in {study.folder / 'manifest.json'}"


def _power_lines(manifest: Manifest, study: StudyFile) -> list[str]:
    """The command that says how many replicates the rules need, where a noise or records can
    tell.
    """
    experiment = manifest.experiment
    has_records = len(missing(manifest, records_of(study.folder))) < len(manifest.run_ids())
    if not experiment.decide or len(experiment.seeds) == 1 or not (has_records or experiment.noise):
        return []
    is_folder_needed = study.settings or study.results != Path(
        "results"
    )  # `harness power` has no --set
    command = f"harness power {study.folder if is_folder_needed else study.words}"
    return [f"`{command}` says how many replicates the rules need"]
