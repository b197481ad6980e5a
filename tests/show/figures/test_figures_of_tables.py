"""The figures of anybody's tables: every run is in them, refused laws draw nothing, and many arms stay readable."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.judging.laws import SeriesLaws
from harness.judging.request import Request, SizeRange
from harness.record.elsewhere import Columns
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import MOST_SERIES, MOST_TASKS, scaling_figure
from harness.study.tables import fits_answer, of_file

SIZES = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])


def _laws(folder: Path, arms: int = 2, failed: str = "", **asked) -> list[SeriesLaws]:
    """Arms of exponent 1 with 2 seeds a size; `failed` names an arm whose runs at the largest size have no loss."""
    generator = np.random.default_rng(2)
    lines = ["arm,n,seed,status,loss"]
    for arm in (f"arm {i}" for i in range(arms)):
        for size in SIZES.tolist():
            for seed in range(2):
                lost = arm == failed and size == SIZES[-1]
                loss = float(1 / size * np.exp(0.1 * generator.standard_normal()))
                lines.append(f"{arm},{size},{seed},{'oom' if lost else 'ok'},{'' if lost else loss}")
    path = folder / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    columns = Columns("loss", by=("arm",), status="status")
    request = Request(path, ("n",), columns, laws=("pure", "floor"), **asked)
    return fits_answer(request, of_file(request, columns)).laws


def _artists(figure: Figure, kind: str) -> dict[str, np.ndarray]:
    """Arm -> the points of its artist of a kind, in the first panel that has it."""
    found: dict[str, np.ndarray] = {}
    for axes in figure.axes:
        for line in axes.lines:
            name, _, arm = str(line.get_gid()).partition(":")
            if name == kind:
                found.setdefault(arm, line.get_xydata())
    return found


def test_a_refused_law_is_not_drawn(tmp_path):
    """Where every law is refused there are runs and joined means, the reason once, and no figure of residuals."""
    laws = _laws(tmp_path, window=SizeRange(high=200))
    figure = scaling_figure(None, laws)
    words = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]

    assert not _artists(figure, "law")
    assert all(text.endswith(": no law") for text in words)
    assert figure.get_supxlabel().count("too few sizes") == 1
    assert _artists(figure, "joined").keys() == {"arm 0", "arm 1"}
    assert residuals_figure(None, laws) is None


@pytest.mark.parametrize("arms", [1, 8, 9, 14])
def test_many_arms_get_panels_of_their_own(tmp_path, arms):
    """As many arms as lines can tell apart share a panel, more have one each; how many are not drawn is said."""
    figure = scaling_figure(None, _laws(tmp_path, arms))
    panels = [axes for axes in figure.axes if axes.get_visible()]

    assert len(panels) == (1 if arms <= MOST_SERIES else min(arms, MOST_TASKS))
    note = figure.get_supxlabel().replace("\n", " ")
    assert ("2 more panels are not drawn" in note) is (arms == 14)
    assert len(_artists(figure, "runs")) == min(arms, MOST_TASKS)
