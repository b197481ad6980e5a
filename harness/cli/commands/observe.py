"""`harness observe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.cli.options import plan_options
from harness.record.networks import FOLDER, read_network
from harness.record.store import read_record, record_path
from harness.show.console import TERMINAL
from harness.spec.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

    from harness.nn.beliefs import Beliefs


@click.command(epilog="Example: harness observe experiments/belief_geometry.yaml")
@plan_options
def observe(manifest: Manifest, folder: Path) -> None:
    """Look again at kept networks: draw the beliefs that transformers hold.

    Beliefs are the probabilities of a task's hidden states; they are known for mess3 and rrxor. For
    each such task it takes one network of each arm: the one that validation picks at the largest
    size in the first replicate. A probe reads the network's beliefs, and `beliefs-TASK.png` shows
    them beside the true ones. The experiment must say `keep: networks`. If it also says `snapshots:
    20`, it reads 20 states of each network during training too: `course-TASK.png` shows how beliefs
    become clear, `course-TASK.csv` has the numbers.
    """
    from harness.show.figures.beliefs import beliefs_figure, course_figure
    from harness.show.figures.series import experiment_styles
    from harness.show.figures.theme import write_figure
    from harness.study.analysis import recorded_tables
    from harness.study.tables import keeping_fits

    if manifest.experiment.keep != "networks":
        move = "add keep: networks to the file, and run it with another --results folder"
        raise HarnessError(f"keep: {manifest.name} kept no networks; {move}")
    with keeping_fits(folder, TERMINAL):
        tables = recorded_tables(manifest, folder, TERMINAL.say)
    if tables is None:
        raise HarnessError(f"{folder}: no run has a record yet; train some first", INCOMPLETE)
    table = tables.judged
    styles = experiment_styles(manifest)
    for task, rows in table[table["status"] == "done"].groupby("task"):
        name = str(task).replace(" ", "-")
        by_arm = _by_arm(rows, folder.parent)
        for arm, (*_, last) in by_arm.items():
            left = f"{last.after.error / last.before.error:.2g} of the error before the last block"
            click.echo(
                f"{task}, {arm}: a probe of its beliefs errs by {last.after.error:.2g}, {left}"
            )
        figures = {
            "beliefs": beliefs_figure(
                str(task), {arm: course[-1].after for arm, course in by_arm.items()}
            )
        }
        if manifest.experiment.snapshots:
            course = _course(by_arm)
            figures["course"] = course_figure(str(task), course, styles)
            with whole_file(folder / f"course-{name}.csv") as path:
                course.to_csv(path, index=False)
            click.echo(folder / f"course-{name}.csv")
        for kind, figure in figures.items():
            for path in write_figure(figure, folder / f"{kind}-{name}"):
                click.echo(path)


def _by_arm(rows: pd.DataFrame, results: Path) -> dict[str, list[Beliefs]]:
    """Of each series the network at the largest size in the first replicate, after each of its
    snapshots.
    """
    from harness.nn.beliefs import course_of_beliefs  # with torch

    asked = rows["asked"].fillna(0)
    chosen = rows[(asked == asked.max()) & (rows["seed"] == rows["seed"].min())].drop_duplicates(
        "series"
    )
    by_arm: dict[str, list[Beliefs]] = {}
    with TERMINAL.steps("beliefs of networks") as progress:
        for done, (arm, run_id) in enumerate(zip(chosen["series"], chosen["run_id"], strict=True)):
            record = read_record(record_path(results / "runs", run_id))
            progress("", done, len(chosen))
            by_arm[arm] = [*course_of_beliefs(record, read_network(results / FOLDER, run_id))]
    return by_arm


def _course(by_arm: Mapping[str, Sequence[Beliefs]]) -> pd.DataFrame:
    """A row a snapshot of an arm's network."""
    import pandas as pd

    rows = []
    for arm, course in by_arm.items():
        for beliefs in course:
            left = beliefs.after.error / beliefs.before.error
            rows.append([arm, beliefs.evaluations, beliefs.excess, beliefs.after.error, left])
    return pd.DataFrame(
        rows, columns=["arm", "evaluations", "excess", "belief_error", "left_by_block"]
    )
