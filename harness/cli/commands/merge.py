"""`harness merge`."""

import sys
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE
from harness.cli.options import PATH, json_option, mixed_code_option, results_option
from harness.cli.showing import answer
from harness.show.sweeps import merged_lines
from harness.study.folders import StudyFile, merge_records


@click.command(
    epilog="Example: harness merge /media/other/results --plan experiments/quickstart.yaml"
)
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FOLDER|FILE")
@results_option
@click.option("--plan", type=PATH, metavar="FILE", help="Only records of this experiment's runs.")
@mixed_code_option
@json_option
def merge(source: Path, results: Path, plan: Path | None, mixed_code: bool, as_json: bool) -> None:
    """Add records that were trained elsewhere, and check each one.

    FOLDER has records, or is a results folder. FILE is a records.jsonl.xz that `harness keep`
    wrote.

    Nothing is overwritten: a record that is here stays. One that differs is kept beside it, and the
    difference judged. A record that other code trained than the first of its plan is left where it
    is, unless --mixed-code is given. Exit 3 if there is one, or a record is damaged, or differs
    although the same code on the same kind of machine made both.
    """
    merged = merge_records(source, results, StudyFile(plan, results) if plan else None, mixed_code)
    answer(merged, as_json, merged_lines(merged))
    if merged.damaged or merged.defects or merged.other_code:
        sys.exit(INCOMPLETE)
