"""The figures of tables: every run is in them, refused laws draw nothing, and many arms stay readable.

pytest tests/show/figures/test_fits_figures.py
"""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.comparison.tables.fits import Request, RequestedFits, SizeRange, answer
from harness.comparison.tables.read import Columns
from harness.laws import predict
from harness.show.figures.fits import MOST_PANELS, laws_figure, residuals_of

SIZES = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])


def _answer(folder: Path, arms: int = 2, failed: str = "", **asked) -> RequestedFits:
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
    return answer(Request(path, ("n",), Columns("loss", by=("arm",), status="status"), laws=("pure", "floor"), **asked))


def _artists(figure: Figure, kind: str) -> dict[str, np.ndarray]:
    """Arm -> the points of its artist of a kind, in the first panel that has it."""
    found: dict[str, np.ndarray] = {}
    for axes in figure.axes:
        for line in axes.lines:
            name, _, arm = str(line.get_gid()).partition(":")
            if name == kind:
                found.setdefault(arm, line.get_xydata())
    return found


def test_every_run_and_every_law_is_drawn(tmp_path):
    """Runs stand where the table has them, and the law where the fit has it."""
    found = _answer(tmp_path)
    figure = laws_figure(found)
    runs, laws = _artists(figure, "runs"), _artists(figure, "law")

    for one in found.fits:
        np.testing.assert_array_equal(runs[one.arm], np.column_stack([one.x, one.y]))
        np.testing.assert_allclose(laws[one.arm][:, 1], predict(one.fits["floor"], laws[one.arm][:, 0]))


def test_residuals_are_logs_of_losses_over_their_law(tmp_path):
    """Means of sizes lie at ln(mean/law), and the half-width of their band is the fit's standard deviation."""
    found = _answer(tmp_path)
    figure = residuals_of(found)
    assert figure is not None
    means = _artists(figure, "means")

    for one in found.fits:
        fit = one.fits["floor"]
        expected = np.log(fit.points.means / predict(fit, SIZES))
        np.testing.assert_allclose(means[one.arm], np.column_stack([SIZES, expected]))
        assert fit.sigma == pytest.approx(np.sqrt(np.sum(expected**2) / fit.dof), rel=1e-6)


def test_what_is_not_fitted_is_drawn_and_explained(tmp_path):
    """Points outside of the window, points held out and failed runs have marks of their own, and words below."""
    figure = laws_figure(_answer(tmp_path, failed="arm 1", window=SizeRange(low=20), hold_out=1))
    note = figure.get_supxlabel()

    assert _artists(figure, "outside")["arm 0"][:, 0].tolist() == [10]
    assert _artists(figure, "held_out")["arm 0"][:, 0].tolist() == [3000]
    assert _artists(figure, "held_out")["arm 1"][:, 0].tolist() == [1000]
    assert _artists(figure, "failed")["arm 1"][:, 0].tolist() == [3000, 3000]
    assert "Hollow: outside the fit window. Half-filled: held out" in " ".join(note.split())


def test_a_refused_law_is_not_drawn(tmp_path):
    """Where every law is refused there are runs and joined means, the reason once, and no figure of residuals."""
    found = _answer(tmp_path, window=SizeRange(high=200))
    figure = laws_figure(found)
    words = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]

    assert not _artists(figure, "law")
    assert all(text.endswith(": no law") for text in words)
    assert figure.get_supxlabel().count("too few sizes") == 1
    assert _artists(figure, "joined").keys() == {"arm 0", "arm 1"}
    assert residuals_of(found) is None


@pytest.mark.parametrize("arms", [1, 4, 5, 14])
def test_many_arms_get_panels_of_their_own(tmp_path, arms):
    """Up to four arms share a panel, more have one each, and beyond a dozen it is said how many are not drawn."""
    figure = laws_figure(_answer(tmp_path, arms))
    panels = [axes for axes in figure.axes if axes.get_visible()]

    assert len(panels) == (1 if arms <= 4 else min(arms, MOST_PANELS))
    assert ("2 more panels are not drawn" in figure.get_supxlabel()) is (arms == 14)
    assert len(_artists(figure, "runs")) == min(arms, MOST_PANELS)
