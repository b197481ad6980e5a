"""Scaling laws of loss against size, with profile-likelihood intervals and refusals; numpy and scipy only."""

from harness.base.plain import plain as to_json
from harness.fit.bootstrap import bootstrap, cross_check, sandwich
from harness.fit.diagnose import data_hash, diagnose
from harness.fit.fitting import (
    band,
    deviance,
    exponent_deviance,
    extrapolation_caution,
    fit_law,
    predict,
    prediction_interval,
)
from harness.fit.held_out import extrapolate, largest_sizes
from harness.fit.points import Points, size_means
from harness.fit.result import Caution, Estimate, Fit, Interval, LawName, Misfit, Refusal
from harness.fit.select import select_law
from harness.fit.shared import fit_shared
from harness.fit.surface import fit_surface, predict_surface, surface_band
from harness.fit.window import until_minimum

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
