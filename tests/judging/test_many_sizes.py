"""A table of a thousand sizes: neighbours are merged, and the law stays."""

import numpy as np
import pandas as pd
import pytest

from harness.judging.laws import Fitting, fit_runs
from harness.laws import fit_law


def test_merged_sizes_have_the_law_of_all():
    """Means of neighbours lie on a law as their runs do: exponent and interval are those of the thousand sizes."""
    rng = np.random.default_rng(0)
    x = np.geomspace(1e6, 1e9, 1000)
    y = x**-0.3 * np.exp(0.05 * rng.standard_normal(1000))
    runs = pd.DataFrame({"task": "", "series": "a", "size": x, "test_loss": y, "status": "done", "metric": "loss"})
    runs = runs.assign(in_window=True, until_minimum=False, hold_out=0, dtype="float64")
    (merged,) = fit_runs({"x": runs}, Fitting(("pure",)))
    law, all_sizes = merged.fits["pure"], fit_law(x, y, "pure")
    assert law.points.sizes.size == 64
    assert law.points.counts.sum() == 1000
    assert law.alpha == pytest.approx(all_sizes.alpha, abs=2e-4)
    widths = [fit.alpha_interval.high - fit.alpha_interval.low for fit in (law, all_sizes)]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)
