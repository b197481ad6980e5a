"""`harness observe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.cli.later import heavy
from harness.cli.options import plan_options
from harness.record import read_record, record_path
from harness.record.networks import FOLDER, read_network
from harness.show.console import TERMINAL
from harness.spec import Manifest

if TYPE_CHECKING:
    import pandas as pd

    from harness.tasks.processes import Probed


@click.command(epilog="Example: harness observe experiments/belief_geometry.yaml")
@plan_options
def observe(manifest: Manifest, folder: Path) -> None:
    """Look again at kept networks: draw the beliefs that transformers hold.

    For each task whose beliefs are known (mess3, rrxor) it takes, of each arm, the network of the first replicate that
    validation picks at the largest size, reads its beliefs by a probe, and draws them beside the true ones in
    `beliefs-TASK.png`. The experiment must say `keep: networks`.
    """
    if manifest.experiment.keep != "networks":
        raise HarnessError("keep: this experiment kept no networks; say `keep: networks`, and run it in new results")
    with heavy.keeping_fits(folder, TERMINAL):
        tables = heavy.recorded_tables(manifest, folder, TERMINAL.say)
    if tables is None:
        raise HarnessError(f"{folder}: no run has a record yet; train some first", INCOMPLETE)
    table, _ = tables
    for task, rows in table[table["status"] == "done"].groupby("task"):
        by_arm = _by_arm(rows, folder.parent)
        for arm, (before, after) in by_arm.items():
            left = f"{after.error / before.error:.2g} of the error before the last block"
            click.echo(f"{task}, {arm}: a probe of its beliefs errs by {after.error:.2g}, {left}")
        figure = heavy.beliefs_figure(str(task), {arm: after for arm, (_, after) in by_arm.items()})
        for path in heavy.write_figure(figure, folder / f"beliefs-{str(task).split()[0]}"):
            click.echo(path)


def _by_arm(rows: pd.DataFrame, results: Path) -> dict[str, tuple[Probed, Probed]]:
    """Of each series the network at the largest size in the first replicate."""
    from harness.nn.beliefs import probed_beliefs  # with torch

    asked = rows["asked"].fillna(0)
    chosen = rows[(asked == asked.max()) & (rows["seed"] == rows["seed"].min())].drop_duplicates("series")
    by_arm = {}
    for arm, run_id in zip(chosen["series"], chosen["run_id"], strict=True):
        record = read_record(record_path(results / "runs", run_id))
        by_arm[arm] = probed_beliefs(record, read_network(results / FOLDER, run_id))
    return by_arm
