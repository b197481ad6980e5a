"""The figures of anybody's tables: refused laws draw nothing, and many arms stay readable."""

import numpy as np
from made_study import laws_of_rows

from harness.judging.request import SizeRange
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure

SIZES = (10, 30, 100, 300, 1000, 3000)


def laws_of_arms(folder, arms: int, **asked):
    """Of so many arms of exponent 1 with 2 runs a size."""
    noise = np.random.default_rng(2)
    rows = []
    for arm in range(arms):
        rows += [(f"arm {arm}", size, float(np.exp(0.1 * noise.standard_normal()) / size)) for size in 2 * SIZES]
    return laws_of_rows(folder, rows, ("pure", "floor"), **asked)


def drawn(figure, kind: str) -> set[str]:
    gids = {str(line.get_gid()) for axes in figure.axes for line in axes.lines}
    return {gid.removeprefix(f"{kind}:") for gid in gids if gid.startswith(f"{kind}:")}


def test_a_refused_law_is_not_drawn(tmp_path):
    laws = laws_of_arms(tmp_path, 2, window=SizeRange(high=200))
    figure = scaling_figure(None, laws)
    assert not drawn(figure, "law")
    assert drawn(figure, "joined") == {"arm 0", "arm 1"}
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["arm 0: no law", "arm 1: no law"]
    assert figure.get_supxlabel().count("too few sizes") == 1
    assert residuals_figure(None, laws) is None
