"""The runs that have records, from which it is foreseen what the rules of a plan will see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.judging.winners import reported
from harness.record import missing, read_records
from harness.spec import Manifest
from harness.study.costs import table_of
from harness.study.folders import records_of
from harness.study.kept import take_kept

if TYPE_CHECKING:
    import pandas as pd


def recorded_tables(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table that is judged of the runs of a plan that have records, kept ones too, and that of all of these.

    They have no rows where no run has a record.
    """
    take_kept(manifest, folder, say)
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
