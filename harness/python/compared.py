"""`harness.compare`: two sides of an experiment at equal size."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from harness.judging.versus import Headline, NoHeadline, leader
from harness.python.shown import Shown
from harness.python.study import Study, complete_plan
from harness.show.figures.labels import task_titles
from harness.show.figures.series import Style, experiment_styles
from harness.show.figures.versus import TITLE_LETTERS, versus_figure
from harness.show.tables.headline import answer_sentences
from harness.spec import Manifest
from harness.study.comparing import Compared, compare_sides

COLUMNS = ("task", "axis", "place", "size", "better", "ratio", "low", "high", "seeds", "refused")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """Two sides at equal size under every count: `compared` has all numbers, those of their laws too."""

    manifest: Manifest
    compared: Compared

    @property
    def sentences(self) -> list[str]:
        """Who is better at the largest size, and what to be careful about."""
        return told(self.compared.headline)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each task, axis and size. `ratio` is the test loss of the second side over that of the first."""
        return readings(self.compared.headline)

    def figure(self) -> Figure | None:
        """The ratio at every size of the first side, a line for each count."""
        curves = self.compared.lines
        titles = task_titles(self.manifest, dict.fromkeys(line.task for line in curves), TITLE_LETTERS)
        styles = side_styles(self.manifest, self.compared.headline)
        return versus_figure(self.compared.asked, curves, styles, titles)


def compare(
    of: Study | str | Path,
    first: str,
    second: str,
    at: float | None = None,
    axis: str | None = None,
    level: float | None = None,
) -> Comparison:
    """Compare two arms of an experiment file or a results folder, as `harness compare` does.

    A side may be several arms under a name of yours, `MLP=mlp_2,mlp_3`. `at` is a size of the first side on `axis`
    (params, seconds, flops_train.local_min, ...), and `level` that of the intervals. A HarnessError while runs are
    missing.
    """
    manifest, folder = complete_plan(of)
    return Comparison(manifest, compare_sides(manifest, folder, (first, second), axis, at, level))


def told(found: Headline | NoHeadline) -> list[str]:
    """The answer at the largest size, and its cautions, or why there is none."""
    if isinstance(found, NoHeadline):
        return [found.why]
    return [*answer_sentences(found), *(f"Careful: {caution}" for caution in found.cautions)]


def readings(found: Headline | NoHeadline) -> pd.DataFrame:
    """A row for each task, axis and size: the ratio of test losses second / first, and who is ahead beyond doubt."""
    if isinstance(found, NoHeadline):
        return pd.DataFrame(columns=list(COLUMNS))
    rows = []
    for one in found.readings:
        ratio = one.ratio
        better = leader(ratio, found.first.label, found.second.label)
        interval = (ratio.estimate, ratio.low, ratio.high)
        rows.append(
            (one.task, one.axis, one.place, ratio.at, better, *interval, ratio.replicates, ratio.refused or None)
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def side_styles(manifest: Manifest, found: Headline) -> Mapping[str, Style]:
    """The styles of the arms of a plan, and of the two sides."""
    return experiment_styles(manifest, {side.label: side.names for side in found.sides})
