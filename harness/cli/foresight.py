"""What the rules of a plan will see: the runs that have records, and the lines for `harness plan`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.costs import table_of
from harness.cli.kept import take_kept
from harness.cli.options import FULL
from harness.cli.plans import records_of
from harness.judging.winners import reported
from harness.record import missing, read_records
from harness.spec import Manifest

if TYPE_CHECKING:
    import pandas as pd


def power_lines(manifest: Manifest, file: Path, results: Path, scale: str) -> list[str]:
    """What each rule will see by the noise that the file declares; where there are records, the command that says it.

    Rules of laws are fitted to records, which takes longer than a plan should.
    """
    if not manifest.experiment.decide or len(manifest.experiment.seeds) == 1:  # which another warning is about
        return []
    if manifest.experiment.noise is not None:
        from harness.judging.foreseen import foresee
        from harness.show.tables.power import rule_sentences

        return rule_sentences(foresee(manifest, no_runs(), noise=manifest.experiment.noise))
    if len(missing(manifest, records_of(results / manifest.name))) == len(manifest.run_ids()):
        return []
    again = f"harness power {file}{'' if scale == FULL else f' --scale {scale}'}"
    return [f"`{again}` says how many replicates the rules need, from the records that are there"]


def recorded_tables(manifest: Manifest, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table that is judged of the runs of a plan that have records, kept ones too, and that of all of these.

    They have no rows where no run has a record.
    """
    with redirect_stdout(sys.stderr):  # which says what was taken, and is no part of an answer in JSON
        take_kept(manifest, folder)
    absent = set(missing(manifest, records_of(folder)))
    present = [identity for identity in manifest.run_ids() if identity not in absent]
    if not present:
        return no_runs(), no_runs()
    every = table_of(manifest, read_records(present, records_of(folder), folder), folder)
    return reported(manifest, every), every


def no_runs() -> pd.DataFrame:
    """A table of no runs."""
    import pandas as pd  # takes a third of a second

    return pd.DataFrame({"run_id": [], "seed": []})
