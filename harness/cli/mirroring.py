"""--wandb and what goes with it, of commands that copy finished runs to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from harness.cli.options import gathered
from harness.dispatch.mirror import Export, Mirror, check_wandb, of_answer
from harness.show.console import TERMINAL
from harness.spec.manifest import Manifest
from harness.study.folders import records_of

if TYPE_CHECKING:
    from harness.study.analysis import Answered

FIGURES = ("answer", "scaling")  # of an experiment, which its answer has in wandb


def _mirror(
    wandb: Literal["online", "offline"] | None,
    wandb_losing: bool,
    wandb_project: str,
    wandb_entity: str | None,
    **given: Any,
) -> dict[str, Any]:
    mirror = None
    if wandb:
        check_wandb(wandb)
        mirror = Mirror(mode=wandb, losing=wandb_losing, project=wandb_project, entity=wandb_entity)
    return {"mirror": mirror, **given}


# A command gets the `mirror` that they ask for; a HarnessError if wandb cannot do it.
wandb_options = gathered(
    _mirror,
    click.option(
        "--wandb", type=click.Choice(["online", "offline"]), help="Copy finished runs to wandb."
    ),
    click.option(
        "--wandb-losing",
        is_flag=True,
        help="Of a search, also copy the runs that validation does not pick.",
    ),
    click.option(
        "--wandb-project",
        default="harness",
        show_default=True,
        metavar="NAME",
        help="The wandb project.",
    ),
    click.option(
        "--wandb-entity", metavar="NAME", help="The wandb team or user.  [default: yours]"
    ),
)


def export_of(mirror: Mirror, manifest: Manifest, folder: Path) -> Export:
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

    return Export(mirror, manifest, records_of(folder), folder / "wandb", picked)


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
