"""`harness verdicts`: the rules of experiments, judged."""

import itertools
import sys
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_writable
from harness.base.plain import plain
from harness.cli.options import PATH, json_option, mixed_code_option, results_option, scale_option
from harness.cli.showing import answer
from harness.record.code import take_mixed
from harness.show.console import TERMINAL
from harness.show.sweeps import kept_lines
from harness.spec.document import FULL
from harness.spec.manifest import read_manifest
from harness.spec.read import read_experiment, scales_of
from harness.study.folders import EXPERIMENTS, KEPT, StudyFile, keep_records


@click.command(epilog="Example: harness verdicts experiments/quickstart.yaml")
@click.argument("files", nargs=-1, type=PATH, metavar="[FILE|FOLDER]...")
@results_option
@scale_option
@json_option
@click.option(
    "--keep",
    "keeping",
    is_flag=True,
    help="Copy the verdicts, runs and figures to results/verdicts/, which git keeps.",
)
@mixed_code_option
def verdicts(
    files: tuple[Path, ...],
    results: Path,
    scale: str,
    as_json: bool,
    keeping: bool,
    mixed_code: bool,
) -> None:
    """Judge the rules (`decide:`) of experiments by their runs.

    Without FILE, this judges all files of experiments/. It judges a rule as the plan froze it,
    whatever the file says now. If runs are missing, the verdict is `not run`, with the command that
    trains them. This writes verdicts.html and verdicts.json into results/. Exit 3 if a record is
    damaged, or other code trained it than the plan's first.
    """
    from harness.judging.verdict import Answers
    from harness.show.pages.verdicts import keep_verdicts, write_verdicts
    from harness.show.tables.verdicts import answer_sentences, rules_table
    from harness.study.analysis import analyse_and_report, answer_of

    studies = [StudyFile(file, results, scale) for file in files or _with_rules(scale)]
    others = [
        study.folder
        for study in studies
        if keeping and study.folder.parent.resolve() != results.resolve()
    ]
    if others:
        raise HarnessError(
            f"--keep: {others[0]} is not in {results}; name the folder that it is in by --results"
        )
    for study in studies if mixed_code else []:
        take_mixed(study.folder)
    answered = [answer_of(study) for study in studies]
    answers = [plain(judged) for judged, _ in answered]
    tables = [rules_table(judged["verdicts"], judged["name"]) for judged in answers]
    sentences = itertools.chain.from_iterable(map(answer_sentences, answers))
    answer(Answers(answers), as_json, [*tables, *sentences])
    check_writable(results)
    for path in write_verdicts(answers, results):
        click.echo(path, err=as_json)
    if keeping:
        whole = [
            (data, table)
            for data, (_, table) in zip(answers, answered, strict=True)
            if table is not None
        ]
        if not whole:
            raise HarnessError(
                "--keep: no rule was judged, so there is nothing to keep; train the runs first",
                INCOMPLETE,
            )
        for data, _ in whole:
            folder = results / data["name"]
            analyse_and_report(read_manifest(folder), folder, TERMINAL)
        lines = [f"kept: {keep_verdicts(whole, results, results / KEPT)}"]
        for data, _ in whole:
            records = keep_records(results / data["name"])
            lines += kept_lines(records.path, records.merged, records.absent)
        for line in lines:
            click.echo(line, err=as_json)
    if any(judged.damaged for judged, _ in answered):
        sys.exit(INCOMPLETE)


def _with_rules(scale: str) -> list[Path]:
    """The experiment files that have rules and that scale; a HarnessError if there are none."""
    files = [file for file in sorted(EXPERIMENTS.glob("*.yaml")) if read_experiment(file).decide]
    with_scale = [file for file in files if scale in scales_of(file)]
    for file in files:
        if file not in with_scale:
            click.echo(f"left out: {file} has no scale {scale}", err=True)
    if not with_scale:
        at = "" if scale == FULL else f" and a scale {scale}"
        raise HarnessError(
            f"{EXPERIMENTS}/: no file with a `decide:`{at} here; give a FILE, or go where they are"
        )
    return with_scale
