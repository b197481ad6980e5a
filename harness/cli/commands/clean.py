"""`harness clean`."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import json_text
from harness.cli.options import PATH, confirm, json_option, results_option, together, yes_option
from harness.cli.showing import show
from harness.dispatch import leftovers
from harness.dispatch.leftovers import Kind, OnDisk, Removed
from harness.dispatch.submission import one_submitter
from harness.show import disk
from harness.show.disk import Removable
from harness.study.folders import StudyFile

kind_options = together(
    *(
        click.option(f"--{kind}", kind, is_flag=True, help=f"Remove {what}.")
        for kind, what in disk.WHAT.items()
    )
)


@click.command(epilog="Example: harness clean --checkpoints --snapshots")
@click.argument("files", type=PATH, metavar="[FILE|FOLDER]...", nargs=-1)
@results_option
@kind_options
@yes_option
@json_option
def clean(files: tuple[Path, ...], results: Path, yes: bool, as_json: bool, **kinds: bool) -> None:
    """Show what results no longer need on disk, and remove the kinds that you name.

    With FILE it looks only at what belongs to these experiments.

    It never removes a plan, a record, a verdict or a kept page. It removes no saved state of a pack
    that has yet to end.
    """
    chosen = [kind for kind in leftovers.KINDS if kinds[kind]]
    if yes and not chosen:
        raise HarnessError(
            f"--yes: say what to remove: {', '.join(f'--{kind}' for kind in leftovers.KINDS)}"
        )
    folders = [StudyFile(file, results).frozen()[1] for file in files]
    results, *others = dict.fromkeys(folder.parent for folder in folders) or [results]
    if others:
        raise HarnessError(f"{results}, {others[0]}: clean one results folder at a time")
    if not results.is_dir():
        raise HarnessError(f"{results}: no such folder; --results names the one to clean")
    rows = _look(results, folders)
    removable = leftovers.removable(rows)
    wanted = {kind: removable[kind] for kind in chosen if kind in removable}
    if not as_json:
        table = [disk.clean_table(removable)] if removable else []
        taken = disk.disk_words(results, leftovers.disk_bytes(results), notable=0)
        show([taken, *table, *disk.stay_lines(rows), *disk.cautions(removable)])
        if wanted:
            confirm(disk.question(wanted), yes, "nothing was removed")
    removed = _removed(results, folders, wanted) if wanted and (yes or not as_json) else {}
    sizes = leftovers.disk_bytes(results)
    if as_json:
        click.echo(json_text(disk.clean_json(results, sizes, rows, removable, removed)))
    else:
        left = [disk.disk_words(results, sizes, notable=0)] if removed else []
        show([*disk.clean_lines(results, removable, chosen, removed), *left])
    failures = list(itertools.chain.from_iterable(of_kind.failures for of_kind in removed.values()))
    if failures:
        raise HarnessError(
            f"{len(failures)} could not be removed (first: {failures[0]})", INCOMPLETE
        )


def _look(results: Path, folders: Sequence[Path]) -> list[OnDisk]:
    """What may be removed, of these experiments alone if there are some."""
    rows = list(leftovers.on_disk(results))
    return leftovers.of_experiments(rows, folders) if folders else rows


def _removed(results: Path, folders: Sequence[Path], wanted: Removable) -> dict[Kind, Removed]:
    """What was removed of what is wanted: all that nothing needs by now."""
    removed: dict[Kind, Removed] = {}
    with one_submitter(results / "runs"):
        still = {(row.kind, row.path) for row in _look(results, folders) if not row.needed_by}
        for kind, of_kind in wanted.items():
            removed[kind] = leftovers.remove([row for row in of_kind if (kind, row.path) in still])
    return removed
