"""`harness clean`."""

from collections.abc import Sequence
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import json_text
from harness.cli.options import confirm, json_option, results_option, together, yes_option
from harness.dispatch.leftovers import (
    KINDS,
    Kind,
    OnDisk,
    Removed,
    disk_bytes,
    is_only_copy,
    of_experiments,
    on_disk,
    removable,
    remove,
    run_words,
    runs_of,
)
from harness.dispatch.submission import one_submitter
from harness.show.console import console, print_table, steps_progress
from harness.show.disk import (
    MOST_NAMED,
    WHAT,
    Cleaned,
    Removable,
    cautions,
    clean_json,
    clean_lines,
    clean_table,
    disk_words,
    question,
    stay_lines,
)
from harness.study.folders import frozen_plan

kind_options = together(
    *(click.option(f"--{kind}", kind, is_flag=True, help=f"Remove {what}.") for kind, what in WHAT.items())
)


@click.command(epilog="Example: harness clean --checkpoints --snapshots")
@click.argument("files", type=click.Path(path_type=Path), metavar="[FILE|FOLDER]...", nargs=-1)
@results_option
@kind_options
@yes_option
@json_option({"clean [FILE…]": Cleaned})
def clean(files: tuple[Path, ...], results: Path, yes: bool, as_json: bool, **kinds: bool) -> None:
    """Show what results no longer need on disk, and remove the kinds that you name.

    With FILE it looks only at what belongs to these experiments.

    It never removes a plan, a record of a run that a plan names (earlier plans count too), a verdict or a kept page. It
    removes no saved state of a pack that has yet to end. `unplanned` are results of yours: experiments whose folder was
    removed, or records that were merged and never planned.
    """
    chosen = [kind for kind in KINDS if kinds[kind]]
    if yes and not chosen:
        raise HarnessError(f"--yes: say what to remove: {', '.join(f'--{kind}' for kind in KINDS)}")
    folders = [frozen_plan(file, results)[1] for file in files]
    results = _results_of(folders, results)
    rows = _look(results, folders)
    found = removable(rows)
    wanted = {kind: found[kind] for kind in chosen if kind in found}
    if not as_json:
        _show(results, rows, found)
        if wanted:
            confirm(question(wanted), yes, "nothing was removed")
    removed = _removed(results, folders, wanted) if wanted and (yes or not as_json) else {}
    sizes = disk_bytes(results)
    if as_json:
        click.echo(json_text(clean_json(results, sizes, rows, found, removed)))
    else:
        on_disk = [disk_words(results, sizes, notable=0)] if removed else []
        _print([*clean_lines(results, found, chosen, removed), *on_disk])
    failures = [failure for one in removed.values() for failure in one.failures]
    if failures:
        raise HarnessError(f"{len(failures)} could not be removed (first: {failures[0]})", INCOMPLETE)


def _results_of(folders: Sequence[Path], results: Path) -> Path:
    """The results folder that these folders of experiments are in; a HarnessError if it is not there, or not one."""
    parents = list(dict.fromkeys(folder.parent for folder in folders)) or [results]
    if len(parents) > 1:
        raise HarnessError(f"{parents[0]}, {parents[1]}: clean one results folder at a time")
    if not parents[0].is_dir():
        raise HarnessError(f"{parents[0]}: no such folder; --results names the one to clean")
    return parents[0]


def _look(results: Path, folders: Sequence[Path]) -> list[OnDisk]:
    with steps_progress("clean") as told:
        rows = list(on_disk(results, told))
    return of_experiments(rows, folders) if folders else rows


def _show(results: Path, rows: Sequence[OnDisk], found: Removable) -> None:
    _print([disk_words(results, disk_bytes(results), notable=0)])
    if found:
        print_table(clean_table(found))
    only_copies = sum(is_only_copy(one.path) for one in found.get("snapshots", ()))
    first = list(runs_of(found.get("unplanned", ())))[:MOST_NAMED]
    _print([*stay_lines(rows), *cautions(found, only_copies, run_words(results, first))])


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _removed(results: Path, folders: Sequence[Path], wanted: Removable) -> dict[Kind, Removed]:
    """What was removed of what is wanted: all that nothing needs by now."""
    removed: dict[Kind, Removed] = {}
    with one_submitter(results / "runs"):
        still = {(one.kind, one.path) for one in _look(results, folders) if not one.needed_by}
        for kind, those in wanted.items():
            with steps_progress(kind) as told:
                removed[kind] = remove([one for one in those if (kind, one.path) in still], told)
    return removed
