"""`harness merge`."""

import sys
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE
from harness.cli.options import PATH, json_option, results_option
from harness.cli.showing import answer
from harness.record.kept import merge as merge_records
from harness.show.sweeps import merged_lines
from harness.study.folders import StudyFile


@click.command(epilog="Example: harness merge /media/other/results --plan experiments/quickstart.yaml")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FOLDER|FILE")
@results_option
@click.option("--plan", type=PATH, metavar="FILE", help="Only records of this experiment's runs.")
@json_option
def merge(source: Path, results: Path, plan: Path | None, as_json: bool) -> None:
    """Add records that were trained elsewhere, and check each one.

    FOLDER has records, or is a results folder. FILE is a records.jsonl.xz that `harness keep` wrote.

    Nothing is overwritten: a record that is here stays. One that differs is kept beside it, and the difference judged.
    Exit 3 if a record is damaged, or differs although the same code on the same kind of machine made both.
    """
    wanted = frozenset(StudyFile(plan, results).frozen()[0].run_ids()) if plan else None
    merged = merge_records(source, wanted, results / "runs")
    answer(merged, as_json, merged_lines(merged))
    if merged.damaged or merged.defects:
        sys.exit(INCOMPLETE)
