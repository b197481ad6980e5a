"""Scaling laws of loss against size, with profile-likelihood intervals and refusals; numpy and scipy only."""

from harness.fit.fitting import (
    band,
    deviance,
    exponent_deviance,
    extrapolation_caution,
    fit_law,
    predict,
    prediction_interval,
)
from harness.fit.points import Points, size_means
from harness.fit.result import Caution, Estimate, Fit, Interval, LawName, Misfit, Refusal, to_json

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
    "deviance",
    "exponent_deviance",
    "extrapolation_caution",
    "fit_law",
    "predict",
    "prediction_interval",
    "size_means",
    "to_json",
]
