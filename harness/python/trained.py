"""`harness.run` and `harness.runs`: training on this machine, and the table of the runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
from matplotlib.figure import Figure

from harness.base.errors import HarnessError
from harness.judging.judge import sentence
from harness.judging.laws import fit_table
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.python.compared import readings, side_styles, told
from harness.python.shown import Shown
from harness.python.study import Study, as_study, complete_plan
from harness.show.console import TERMINAL
from harness.show.figures.headline import headline_figure
from harness.show.figures.scaling import scaling_figure
from harness.spec import Manifest
from harness.study.analysis import analyse_and_report, keeping_fits
from harness.study.costs import table_of
from harness.study.folders import planned_records
from harness.study.training import run_file


class Runs(pd.DataFrame):
    """A pandas DataFrame with a row for each run at each size that it was asked for.

    What is computed from it is a plain DataFrame. docs/python.md says what its columns are.
    """

    _metadata: ClassVar[list[str]] = ["_plan"]  # kept by pandas, and no column
    _plan: tuple[Manifest, Path]

    @property
    def table(self) -> pd.DataFrame:
        """The runs themselves."""
        return pd.DataFrame(self)

    def figure(self) -> Figure:
        """Test loss against size, with the laws that are fitted to it."""
        manifest, folder = self._plan
        with keeping_fits(folder, TERMINAL):
            return scaling_figure(manifest, fit_table(self.table))


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Shown):
    """Which side is better at equal size, the verdicts of the rules, the table of all runs, and the report's path."""

    manifest: Manifest
    headline: Headline | NoHeadline
    verdicts: list[Verdict]
    runs: Runs
    report: Path

    @property
    def sentences(self) -> list[str]:
        """The answer, what to be careful about, and the verdicts."""
        return [*told(self.headline), *map(sentence, self.verdicts), f"Report: {self.report}"]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each task, axis and size: how many times lower a side's test loss is. Empty without an answer."""
        return readings(self.headline)

    def figure(self) -> Figure | None:
        """The ratios with their intervals, at equal size on each axis; else the runs."""
        if isinstance(self.headline, NoHeadline):
            return self.runs.figure()
        return headline_figure(self.headline, side_styles(self.manifest, self.headline))


def run(
    of: Study | str | Path, workers: int | None = None, until_decided: bool = False, replan: bool = False
) -> Answer:
    """Train on this machine what is missing, and answer the question, as `harness run` does; progress is printed.

    `workers` is how many processes train, one a core if left out. With `until_decided`, seeds are added only while a
    rule is undecided. Interrupt it at any time: the same call goes on from there.
    """
    if workers is not None and workers < 1:
        raise HarnessError(f"run(workers={workers}): give 1 or more, or leave it out for one a core")
    study = as_study(of)
    manifest, folder = run_file(study, TERMINAL, replan, workers, until_decided), study.folder
    analysis, headline, verdicts = analyse_and_report(manifest, folder, TERMINAL)
    return Answer(manifest, headline, verdicts, _runs(manifest, folder, analysis.table), folder / "report.html")


def runs(of: Study | str | Path) -> Runs:
    """The runs of an experiment file or a results folder as a tidy table; a HarnessError while some are missing."""
    manifest, folder = complete_plan(of)
    return _runs(manifest, folder, table_of(manifest, planned_records(manifest, folder), folder))


def _runs(manifest: Manifest, folder: Path, table: pd.DataFrame) -> Runs:
    runs_table = Runs(table)
    runs_table._plan = manifest, folder
    return runs_table
