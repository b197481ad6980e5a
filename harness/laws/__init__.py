"""Scaling laws of loss against size, with profile-likelihood intervals and refusals; numpy and scipy only."""

from harness.base.plain import plain as to_json
from harness.laws.bootstrap import bootstrap, cross_check, sandwich
from harness.laws.diagnose import data_hash, diagnose
from harness.laws.fitting import (
    band,
    deviance,
    exponent_deviance,
    extrapolation_caution,
    fit_law,
    predict,
    prediction_interval,
)
from harness.laws.held_out import extrapolate, largest_sizes
from harness.laws.points import Points, size_means
from harness.laws.result import Caution, Estimate, Fit, Interval, LawName, Misfit, Refusal
from harness.laws.select import select_law
from harness.laws.shared import fit_shared
from harness.laws.surface import fit_surface, predict_surface, surface_band
from harness.laws.window import until_minimum

__all__ = [
    "Caution",
    "Estimate",
    "Fit",
    "Interval",
    "LawName",
    "Misfit",
    "Points",
    "Refusal",
    "band",
    "bootstrap",
    "cross_check",
    "data_hash",
    "deviance",
    "diagnose",
    "exponent_deviance",
    "extrapolate",
    "extrapolation_caution",
    "fit_law",
    "fit_shared",
    "fit_surface",
    "largest_sizes",
    "predict",
    "predict_surface",
    "prediction_interval",
    "sandwich",
    "select_law",
    "size_means",
    "surface_band",
    "to_json",
    "until_minimum",
]
