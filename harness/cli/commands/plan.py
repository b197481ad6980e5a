"""`harness plan`."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import click

from harness.base.json_text import json_text
from harness.base.plain import INLINE
from harness.cli.options import EXAMPLE, file_argument, json_option, replan_option, results_option, scale_option
from harness.cli.settings import settings_option
from harness.measure.cost import pack_predictions
from harness.planning.warnings import warnings_line
from harness.record import missing
from harness.show.console import console, print_table
from harness.show.costs import lanes_note, recipe_note
from harness.show.tables.frames import plain_rows
from harness.show.tables.plans import packs_table, plan_table
from harness.spec import Manifest, Setting
from harness.spec.read import FULL
from harness.study.costs import calibrations_of, cost_sentence
from harness.study.folders import records_of
from harness.study.looks import of_first_look
from harness.study.plans import data_lines, device_lines, freeze_plan, plan_of

PackCost = TypedDict(
    "PackCost",
    {
        "pack": Annotated[int, "its place in `packs`"],
        "task": Annotated[str, "of its first run"],
        "engine": Annotated[str, "of its first run"],
        "family": Annotated[str, "of its first run"],
        "shape": Annotated[str, "of its first run"],
        "grid": Annotated[float | None, "of its first run"],
        "runs": Annotated[int, "how many it has"],
        "evaluations": Annotated[int, "planned, of all its runs"],
        "flops_train.shared_dense": Annotated[int, "FLOPs planned, of all its runs"],
        "seconds": Annotated[float | None, "predicted; null before `harness bench`"],
    },
)


@dataclass(frozen=True)
class Planned:
    """The frozen plan. With `search:` it is the plan of the search."""

    manifest: Annotated[Manifest, INLINE]
    pack_costs: Annotated[Any, list[PackCost] | None, "with `--packs`, one a pack; else null"]


@click.command(epilog=f"Example: harness plan {EXAMPLE}")
@file_argument
@results_option
@scale_option
@settings_option
@replan_option
@click.option("--packs", is_flag=True, help="Show what each pack of runs costs, in place of the sizes.")
@json_option({"plan FILE": Planned})
def plan(
    file: Path, results: Path, scale: str, settings: tuple[Setting, ...], replan: bool, packs: bool, as_json: bool
) -> None:
    """Solve every size, freeze the plan, and show what it costs.

    The table has the asked and the achieved budget of each size.
    """
    planned = plan_of(file, scale, settings=settings, results=results)
    folder = results / planned.name
    manifest = freeze_plan(planned, folder, replan)
    costs = pack_predictions(manifest, calibrations_of(manifest, results)) if packs else None
    if as_json:
        click.echo(json_text(Planned(manifest, None if costs is None else plain_rows(costs))))
        return
    print_table(plan_table(manifest) if costs is None else packs_table(costs))
    infeasible = Counter(f"{cell.task} {cell.series}: {cell.infeasible}" for cell in manifest.cells if cell.infeasible)
    for why, cells in infeasible.items():
        times = f" ({cells} cells)" if cells > 1 else ""
        console.print(f"infeasible{times}: {why}", markup=False, soft_wrap=True)
    if infeasible:
        console.print(
            "where an arm cannot meet a budget, its curve is read between its two nearest sizes", soft_wrap=True
        )
    for note in filter(None, (recipe_note(manifest), lanes_note(manifest))):
        console.print(note, markup=False, soft_wrap=True)
    for line in data_lines(manifest):
        console.print(line, markup=False, soft_wrap=True)
    console.print(cost_sentence(manifest, results), soft_wrap=True)
    if manifest.looks:
        first = cost_sentence(of_first_look(manifest), results).removeprefix(f"{manifest.name}: ")
        look = f"the first look, at {manifest.looks[0]} of {manifest.looks[-1]} replicates"
        console.print(f"that is at most; with --until-decided, {look}: {first}", soft_wrap=True)
    for line in device_lines(manifest):
        console.print(f"warning: {line}", markup=False, soft_wrap=True)
    if line := warnings_line(manifest):
        console.print(line, soft_wrap=True)
    for line in _power_lines(manifest, folder if settings else file, results, scale):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"frozen in {folder / 'manifest.json'}", soft_wrap=True)


def _power_lines(manifest: Manifest, file: Path, results: Path, scale: str) -> list[str]:
    """What each rule will see by the noise that the file declares; where there are records, the command that says it.

    Rules of laws are fitted to records, which takes longer than a plan should.
    """
    if not manifest.experiment.decide or len(manifest.experiment.seeds) == 1:  # which another warning is about
        return []
    if manifest.experiment.noise is not None:
        from harness.judging.foreseen import foresee
        from harness.show.tables.power import rule_sentences
        from harness.study.foresight import no_runs

        return rule_sentences(foresee(manifest, no_runs(), noise=manifest.experiment.noise))
    if len(missing(manifest, records_of(results / manifest.name))) == len(manifest.run_ids()):
        return []
    again = f"harness power {file}{'' if scale == FULL else f' --scale {scale}'}"
    return [f"`{again}` says how many replicates the rules need, from the records that are there"]
