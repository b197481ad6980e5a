"""`harness.plan`: every size solved, and the plan frozen."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from harness.planning.warnings import warnings_of
from harness.python.shown import Shown
from harness.python.study import Study, as_study
from harness.show.figures.sizes import sizes_figure
from harness.spec import Manifest
from harness.study.costs import cost_sentence
from harness.study.plans import data_lines, freeze_plan, plan_of


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Shown):
    """What will be trained, frozen in `folder`."""

    manifest: Manifest
    folder: Path

    @property
    def sentences(self) -> list[str]:
        """What the runs will cost, what is to be known of data files, and what the plan cannot answer."""
        cost, warnings = cost_sentence(self.manifest, self.folder.parent), warnings_of(self.manifest)
        return [cost, *data_lines(self.manifest), *(one.sentence for one in warnings)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each size of each arm: what was asked, the network, all its counts, or why there is none."""
        rows = [
            {
                "task": cell.task,
                "arm": cell.arm,
                "series": cell.series,
                "asked": cell.asked,
                "achieved": cell.achieved,
                "network": cell.network.words if cell.network else None,
                "infeasible": cell.infeasible,
                **cell.counts,
            }
            for cell in self.manifest.cells
        ]
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """Training FLOPs of every network against its parameters."""
        return sizes_figure(self.manifest)


def plan(of: Study | str | Path, replan: bool = False) -> Plan:
    """Solve every size of an experiment and freeze the plan, as `harness plan` does.

    A HarnessError if another plan is frozen there already, unless `replan` replaces it; all records are kept.
    """
    study = as_study(of)
    planned = plan_of(study.file, study.scale, settings=study.settings, results=study.results)
    folder = study.results / planned.name
    manifest = freeze_plan(planned, folder, replan)
    return Plan(manifest, folder)
