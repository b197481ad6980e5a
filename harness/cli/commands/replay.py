"""`harness replay`: the paper's figures and tables, run again and put beside what was published."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.plain import plain
from harness.cli.options import COUNT, replan_option, results_option, scale_option, workers_option
from harness.cli.showing import show
from harness.record.store import missing, read_present
from harness.record.table import runs_table
from harness.show.console import TERMINAL, console
from harness.spec.document import FULL
from harness.spec.manifest import Manifest
from harness.spec.read import scales_of
from harness.spec.setting import Narrow, narrowed
from harness.study.folders import EXPERIMENTS, StudyFile, full_name, records_of, shipped_files
from harness.study.plans import cost_sentence, freeze_file
from harness.study.sweeps import check_none_underway

if TYPE_CHECKING:
    import pandas as pd

    from harness.paper import replay as replays

KEPT = "replay"  # the folder in results/ whose content the project keeps


class Planned(NamedTuple):
    """A replay that was asked for: its name, its frozen plan and its results folder; `made` knows
    of no missing run.
    """

    name: str
    manifest: Manifest
    folder: Path
    made: replays.Made

    @property
    def absent(self) -> list[str]:
        """Ids of the runs that have no record."""
        return missing(self.manifest, records_of(self.folder))

    @property
    def missing_words(self) -> str:
        """How many runs that is."""
        return (
            f"{len(self.absent)} of {len(self.manifest.run_ids())} runs have no record, so "
            "there is no page"
        )


@click.command(epilog="Example: harness replay fig2_3 --scale short")
@click.argument("name", metavar="NAME", required=False)
@click.option(
    "--all", "every", is_flag=True, help="Run every replay, and write a page that lists them."
)
@results_option
@scale_option
@click.option(
    "--max-width", type=COUNT, metavar="N", help="Leave out MLPs wider than N nodes a layer."
)
@click.option("--seeds", type=COUNT, metavar="N", help="Train only the first N seeds.")
@click.option(
    "--partial", is_flag=True, help="Train nothing: write the page from the runs that have records."
)
@click.option(
    "--keep",
    "keeping",
    is_flag=True,
    help="Copy page, figures and runs to results/replay/, which git keeps.",
)
@replan_option
@workers_option
def replay(
    name: str | None,
    every: bool,
    results: Path,
    scale: str,
    max_width: int | None,
    seeds: int | None,
    partial: bool,
    keeping: bool,
    replan: bool,
    workers: int | None,
) -> None:
    """Run an experiment of the KAN paper again.

    NAME is a file of experiments/, or how its name begins. Without NAME, this lists the replays. It
    writes a page with the published points beside ours. Runs that have records are not trained
    again, so `harness submit` can do the training. The page says at its top if the scale is not the
    full one, or runs are missing.
    """
    from harness.paper import replay as replays

    if every and (name or max_width or seeds):
        raise HarnessError(
            "--all runs every replay as its file says: leave NAME, --max-width and --seeds out"
        )
    if name is None and not every:
        show(
            f"{replay_name:26} {about.place}: {about.title}"
            for replay_name, about in replays.REPLAYS.items()
        )
        return
    narrow = Narrow(max_width, seeds) if max_width or seeds else None
    names = (
        [full_name(name, replays.REPLAYS, "{}: no such replay")] if name else list(replays.REPLAYS)
    )
    asked = [_planned(replay_name, results, scale, narrow, replan) for replay_name in names]
    for planned in () if partial else asked:
        if absent := planned.absent:
            TERMINAL.say(cost_sentence(planned.manifest, results, workers))
            if recorded := len(planned.manifest.run_ids()) - len(absent):
                TERMINAL.say(f"{recorded} of these runs have records already")
    if every:
        _all(asked, results, scale, partial, keeping, workers)
    else:
        _one(asked[0], partial, keeping, workers)


def _planned(name: str, results: Path, scale: str, narrow: Narrow | None, replan: bool) -> Planned:
    """A replay with its plan, frozen before anything trains."""
    from harness.paper import replay as replays

    file = EXPERIMENTS / f"{name}.yaml"
    if not file.exists():
        file = shipped_files(EXPERIMENTS)[name]
    study = StudyFile(file, results, scale, narrow=narrow)
    manifest = freeze_file(study, replan, TERMINAL.say)
    changes = scales_of(file)[scale]
    command, words = _command(name, scale), scale
    if narrow:
        changes = changes | narrowed(study.read(), narrow)[1]
        for option, what, value in (
            ("--max-width", "width", narrow.max_width),
            ("--seeds", "seeds", narrow.seeds),
        ):
            command += f" {option} {value}" if value else ""
            words += f", {what} {value}" if value else ""
    return Planned(name, manifest, study.folder, replays.Made(command, words, changes, {}))


def _command(what: str, scale: str) -> str:
    return f"harness replay {what}" + ("" if scale == FULL else f" --scale {scale}")


def _one(planned: Planned, partial: bool, keeping: bool, workers: int | None) -> None:
    """Train what is missing, unless a page of the rest is asked for; write the page, say what it
    says.

    A HarnessError that names how much is left, and both ways to go on, if training leaves
    something.
    """
    from harness.paper.replay import page as pages
    from harness.show.tables.verdicts import rules_table
    from harness.study.training import train_missing

    manifest, folder = planned.manifest, planned.folder
    if not partial:
        check_none_underway(manifest, folder)
        try:
            train_missing(manifest, folder, workers, TERMINAL)
        except HarnessError as error:
            if not planned.absent:
                raise
            text = (
                f"{error}\n{manifest.name}: {planned.missing_words}; "
                f"`{planned.made.command}` goes on"
            )
            raise type(error)(
                f"{text}, and with --partial it writes a page of the others", error.exit_code
            ) from None
    page, table, verdicts = _write(planned)
    rules = [rules_table(verdicts)] if verdicts else []
    show([*page.lead, *rules, f"page: {folder / 'replay.html'}"])
    if keeping:
        kept = pages.keep(folder, table, folder.parent / KEPT)
        show([f"kept: {kept}, listed in {kept.parent / 'index.html'}"])


def _write(planned: Planned) -> tuple[replays.Page, pd.DataFrame, list[dict[str, Any]]]:
    """The page, from all runs, or else from those that have records, their table, and the verdicts
    on its rules.

    Rules are not judged on a part of the runs.
    """
    from harness.judging.laws import fit_table
    from harness.judging.verdict import not_run
    from harness.paper import replay as replays
    from harness.study.analysis import analyse_and_report

    manifest, folder, made = planned.manifest, planned.folder, planned.made
    if absent := set(planned.absent):
        records = read_present(manifest, records_of(folder))
        table = runs_table(manifest, records)
        fits = fit_table(table)
        verdicts = plain([not_run(rule) for rule in manifest.experiment.decide])
        series = {
            run.run_id: manifest.cells[run.cell].series
            for run in manifest.runs
            if run.run_id in absent
        }
        made = made._replace(
            command=f"{made.command} --partial", missing=dict(Counter(series.values()))
        )
    else:
        answered = analyse_and_report(manifest, folder, TERMINAL)
        records, tables, fits, _ = answered.analysis
        table = tables.judged
        verdicts = plain(answered.verdicts)
    runs = replays.ReplayRuns(manifest, table, fits, records)
    return (
        replays.write_page(runs, replays.REPLAYS[planned.name], made, verdicts, folder),
        table,
        verdicts,
    )


def _all(
    asked: list[Planned],
    results: Path,
    scale: str,
    partial: bool,
    keeping: bool,
    workers: int | None,
) -> None:
    """Every replay, and the page that lists them; one whose runs are incomplete is a row that says
    so.
    """
    from harness.paper import replay as replays
    from harness.paper.replay import page as pages

    rows, incomplete, stopped = [], [], False
    for planned in asked:
        try:
            if not stopped:
                console.print(planned.manifest.name, style="bold")
                _one(planned, partial, keeping, workers)
                rows.append(pages.row_of(planned.folder, results))
                continue
        except HarnessError as error:
            if error.exit_code != INCOMPLETE:
                raise
            stopped = isinstance(error, Stopped)
            show([str(error)])
        incomplete.append(planned.name)
        why = f"{planned.missing_words}; {planned.made.command} goes on"
        about = replays.REPLAYS[planned.name]
        rows.append(
            pages.IndexRow(
                {"place": about.place, "title": about.title, "scale": planned.made.scale}, why
            )
        )
    path, command = (
        results / f"replays{'' if scale == FULL else f'-{scale}'}.html",
        _command("--all", scale),
    )
    pages.write_index(rows, command, path)
    show([f"list: {path}"])
    if incomplete:
        text = (
            f"{len(incomplete)} of {len(asked)} replays have no page "
            f"({', '.join(incomplete)}); {path} says so"
        )
        raise HarnessError(f"{text}; `{command}` goes on", INCOMPLETE)
