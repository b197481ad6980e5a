"""`harness clean`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import json_text
from harness.cli.options import asked, json_option, results_option, together
from harness.cli.plans import frozen_plan
from harness.dispatch.disk import disk_bytes
from harness.dispatch.leftovers import (
    LEFTOVER_KINDS,
    ONLY_IF_NAMED,
    Kind,
    Leftovers,
    Removed,
    leftovers,
    of_experiments,
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
    cautions,
    clean_json,
    clean_table,
    disk_words,
    question,
    removed_words,
    unnamed_words,
)

NOTHING = "nothing was removed"
NOTHING_FOUND = "nothing can be removed"

kind_options = together(
    *(click.option(f"--{kind}", kind, is_flag=True, help=f"Remove {what}.") for kind, what in WHAT.items())
)


@click.command(epilog="Example: harness clean --checkpoints --snapshots")
@click.argument("files", type=click.Path(path_type=Path), metavar="[FILE|FOLDER]...", nargs=-1)
@results_option
@kind_options
@click.option("--dry-run", is_flag=True, help="Show what can be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Name the kinds to remove with it. Scripts need it.")
@json_option({"clean [FILE…]": Cleaned})
def clean(files: tuple[Path, ...], results: Path, dry_run: bool, yes: bool, as_json: bool, **kinds: bool) -> None:
    """Show what results no longer need on disk, and remove it after asking.

    It asks for each kind of files but networks; options choose the kinds. With FILE it looks only at what belongs to
    these experiments.

    It never removes a plan, a record of a run that a plan names (earlier plans count too), a verdict or a kept page. It
    removes nothing that a job on its way needs, or a pack that has yet to end. `unplanned` are results of yours:
    experiments whose folder was removed, or records that were merged and never planned.
    """
    chosen: tuple[Kind, ...] = tuple(kind for kind in LEFTOVER_KINDS if kinds[kind])
    folders = [_folder(file, results) for file in files]
    results = _results_of(folders, results)
    found = _look(results, folders)
    if not as_json:
        click.echo(disk_words(results, disk_bytes(results), notable=0))
        _show(results, found)
    if yes and not (chosen or dry_run):
        raise HarnessError(unnamed_words(found))
    is_shown_only = dry_run or (as_json and not yes)
    wanted = [] if is_shown_only else _wanted(found, chosen, yes)
    removed = _removed(results, folders, found, wanted) if wanted else {}
    if as_json:
        click.echo(json_text(clean_json(results, disk_bytes(results), found, removed)))
    else:
        _tell(results, found, chosen, removed, dry_run)
    failures = [failure for one in removed.values() for failure in one.failures]
    if failures:
        raise HarnessError(f"{len(failures)} could not be removed (first: {failures[0]})", INCOMPLETE)


def _folder(file: Path, results: Path) -> Path:
    """The results folder of an experiment."""
    return frozen_plan(file, results)[1]


def _results_of(folders: Sequence[Path], results: Path) -> Path:
    """The results folder that these folders of experiments are in; a HarnessError if it is not there, or not one."""
    parents = list(dict.fromkeys(folder.parent for folder in folders)) or [results]
    if len(parents) > 1:
        raise HarnessError(f"{parents[0]}, {parents[1]}: clean one results folder at a time")
    if not parents[0].is_dir():
        raise HarnessError(f"{parents[0]}: no such folder; --results names the one to clean")
    return parents[0]


def _look(results: Path, folders: Sequence[Path]) -> Leftovers:
    """What can be removed, of these experiments alone if there are some."""
    with steps_progress("clean") as told:
        found = leftovers(results, told)
    if not folders:
        return found
    return of_experiments(found, [results / folder.name for folder in folders])


def _show(results: Path, found: Leftovers) -> None:
    if found.found:
        print_table(clean_table(found))
    first = list(runs_of(found.of("unplanned")))[:MOST_NAMED]
    for line in cautions(found, run_words(results, first)):
        console.print(line, soft_wrap=True)


def _wanted(found: Leftovers, chosen: Sequence[Kind], yes: bool) -> list[Kind]:
    """The kinds to remove: those chosen, or else all but networks; without `yes`, what the user agrees to of them."""
    wanted = [kind for kind in chosen or LEFTOVER_KINDS if found.of(kind)]
    if yes:
        return wanted
    if chosen:
        return [kind for kind in wanted if asked(question(kind, found), NOTHING)]
    unasked = "--yes with the kinds to remove"
    return [kind for kind in wanted if kind != ONLY_IF_NAMED and asked(question(kind, found), NOTHING, unasked)]


def _tell(
    results: Path, found: Leftovers, chosen: Sequence[Kind], removed: Mapping[Kind, Removed], dry_run: bool
) -> None:
    """What was removed of the kinds that were chosen, and what is left."""
    lines = [f"{kind}: {NOTHING_FOUND}" for kind in chosen if found.found and not found.of(kind)]
    if removed:
        lines += [removed_words(kind, one) for kind, one in removed.items()]
        lines.append(disk_words(results, disk_bytes(results), notable=0))
    elif found.found:
        lines.append(f"dry run: {NOTHING}" if dry_run else NOTHING)
    else:
        lines.append(NOTHING_FOUND)
    for line in lines:
        console.print(line, soft_wrap=True)


def _removed(results: Path, folders: Sequence[Path], found: Leftovers, wanted: Sequence[Kind]) -> dict[Kind, Removed]:
    """What was removed of the kinds that are wanted: all that was shown and is still not needed."""
    removed: dict[Kind, Removed] = {}
    with one_submitter(results / "runs"):
        still = {(one.kind, one.path) for one in _look(results, folders).found}
        for kind in wanted:
            with steps_progress(kind) as told:
                removed[kind] = remove([one for one in found.of(kind) if (kind, one.path) in still], told)
    return removed
