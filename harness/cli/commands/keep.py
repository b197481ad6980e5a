"""`harness keep`."""

import sys

import click

from harness.base.errors import INCOMPLETE
from harness.cli.options import EXAMPLE, json_option, mixed_code_option, takes_planned
from harness.cli.showing import answer
from harness.record.code import take_mixed
from harness.show.sweeps import kept_lines
from harness.study.folders import StudyFile, keep_records


@click.command(epilog=f"Example: harness keep {EXAMPLE}")
@takes_planned
@mixed_code_option
@json_option
def keep(study: StudyFile, mixed_code: bool, as_json: bool) -> None:
    """Put an experiment's records into one file, which git keeps.

    The file is results/verdicts/NAME/records.jsonl.xz, of about 0.5 kB a run. For a search it
    shortens learning curves, and needs 0.2 kB a run. Commit it, and `harness run` goes on from it
    on any machine. Repeat the command while a sweep grows: it adds what is new, and drops nothing.

    A record that is in the file stays. If another record of that run differs, the command names it
    and judges the difference. A record that other code trained than the first is left out, unless
    --mixed-code is given. Exit 3 if there is one, or a record is damaged, or differs although the
    same code on the same kind of machine made both.
    """
    if not study.is_folder:
        study.read()  # names a wrong file or scale
    if mixed_code:
        take_mixed(study.folder)
    kept = keep_records(study.folder)
    answer(kept, as_json, kept_lines(kept.path, kept.merged, kept.absent))
    if kept.merged.damaged or kept.merged.defects or kept.merged.other_code:
        sys.exit(INCOMPLETE)
