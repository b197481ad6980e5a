"""The paper's figures, run again and put beside what was published."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FULL, replan_option, results_option, scale_option
from harness.cli.steps import (
    draw_figures,
    folder_of,
    plan_of,
    records_of,
    train_missing,
    write_analysis,
)
from harness.cli.steps import write_page as write_report
from harness.errors import HarnessError

EXPERIMENTS = Path("experiments")


@click.command(epilog="Example: harness replay fig2_3 --scale short")
@click.argument("name", metavar="NAME", required=False)
@results_option
@scale_option
@replan_option
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes.  [default: one a core]")
def replay(name: str | None, results: Path, scale: str, replan: bool, workers: int | None) -> None:
    """Run an experiment of the KAN paper and write a page: published points beside ours; without NAME, what there is.

    NAME is a file of experiments/, or how its name begins. What has a record is not trained again: `harness submit` can
    do the training. A page is written when all runs have a record, and says on top if they are not of the full scale.
    """
    from harness.console import console
    from harness.record import read_record, record_path
    from harness.replay import REPLAYS, Made, Runs, full_name, write_page
    from harness.spec import freeze, scale_changes

    if name is None:
        for known, one in REPLAYS.items():
            console.print(f"{known:24} {one.place}: {one.title}", soft_wrap=True, highlight=False)
        return
    name = full_name(name)
    file = EXPERIMENTS / f"{name}.yaml"
    if not file.exists():
        raise HarnessError(f"{file}: not here; run it where the project's experiments/ is")
    folder = folder_of(file, results, scale)
    manifest = freeze(plan_of(file, scale), folder, replan)
    train_missing(manifest, folder, workers, None)
    table, fits, checks = write_analysis(manifest, folder)
    draw_figures(manifest, table, fits, folder)
    write_report(manifest, table, fits, checks, folder)
    records = {run: read_record(record_path(records_of(folder), run)) for run in manifest.run_ids()}
    made = Made(_command(name, scale), {} if scale == FULL else scale_changes(file, scale))
    for line in write_page(Runs(manifest, table, fits, records), REPLAYS[name], made, folder).findings:
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"page: {folder / 'replay.html'}", soft_wrap=True)


def _command(name: str, scale: str) -> str:
    """The command that makes this page again."""
    return f"harness replay {name}" + ("" if scale == FULL else f" --scale {scale}")
