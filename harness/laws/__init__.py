"""Scaling laws of loss against size, with profile-likelihood intervals and refusals; numpy and
scipy only.
"""

from harness.laws.bootstrap import bootstrap, cross_check, sandwich
from harness.laws.diagnose import data_hash, diagnose
from harness.laws.fitting import (
    band,
    fit_law,
    predict,
    prediction_interval,
)
from harness.laws.frontier import frontier
from harness.laws.held_out import extrapolate, largest_sizes, until_minimum
from harness.laws.isoflop import isoflop
from harness.laws.points import Known, Points, size_means
from harness.laws.result import Caution, Estimate, Fit, Interval, LawName, Misfit, Refusal
from harness.laws.select import select_law
from harness.laws.sigmoid import fit_sigmoid, scores_at
from harness.laws.surface import fit_surface
