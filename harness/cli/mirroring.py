"""--wandb, of commands that copy finished runs to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.dispatch.mirror import Export, WandbMode, check_wandb, of_answer
from harness.show.console import TERMINAL
from harness.spec.manifest import Manifest
from harness.study.folders import records_of

if TYPE_CHECKING:
    from harness.study.analysis import Answered

FIGURES = ("answer", "scaling")  # of an experiment, which its answer has in wandb


def _checked(
    context: click.Context, option: click.Parameter, mode: WandbMode | None
) -> WandbMode | None:
    if mode:
        check_wandb(mode)
    return mode


# A HarnessError if wandb cannot do what is asked for.
wandb_option = click.option(
    "--wandb",
    type=click.Choice(["online", "offline"]),
    callback=_checked,
    help="Copy finished runs to wandb.",
)


def export_of(wandb: WandbMode, manifest: Manifest, folder: Path) -> Export:
    """What copies the finished runs of a plan to wandb."""
    from harness.study.analysis import recorded_tables

    def picked() -> Collection[str]:
        tables = (
            recorded_tables(manifest, folder, TERMINAL.say) if manifest.experiment.search else None
        )
        if tables is None:
            return ()
        winners = tables.judged
        return frozenset(winners.loc[winners["status"] == "done", "run_id"])

    return Export(wandb, manifest, records_of(folder), folder / "wandb", picked)


def copy_answer(export: Export, answered: Answered, lines: Sequence[str]) -> None:
    """Copy the answer with its table, verdicts and figures; `lines` are it as the terminal has
    it.
    """
    from harness.judging.versus import Headline
    from harness.show.tables.headline import READINGS, reading_rows

    headline, verdicts, manifest = answered.headline, answered.verdicts, export.manifest
    rules = ((verdict.claim, verdict.rule, verdict.verdict) for verdict in verdicts)
    tables: dict[str, list[tuple]] = {"rules": [("claim", "rule", "verdict"), *rules]}
    if isinstance(headline, Headline):
        tables = {"table": [READINGS, *reading_rows(headline)], **tables}
    figures = {
        f"{name}_figure": path
        for name in FIGURES
        if (path := export.folder.parent / f"{name}.png").exists()
    }
    summary = {
        "answer": "\n".join(lines),
        "verdict": {verdict.claim: verdict.verdict for verdict in verdicts},
    }
    last = max(record.provenance.started_at for record in answered.analysis.records.values())
    export.answer(of_answer(manifest, last, summary, tables=tables, figures=figures), TERMINAL.say)


def copy_finished(export: Export) -> int:
    """Copy what has ended since, and say on standard error how that goes; how many are left."""
    with TERMINAL.steps("wandb") as progress:
        return export.go_on(TERMINAL.say, partial(progress, "copied"))
