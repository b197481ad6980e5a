"""Scaling laws of loss against size, with profile-likelihood intervals and refusals; numpy and scipy only."""

from harness.fit.fitting import band, deviance, exponent_deviance, fit_law, predict
from harness.fit.points import Points, size_means
from harness.fit.result import Caution, Fit, Interval, Refusal, to_json

__all__ = ["Caution", "Fit", "Interval", "Points", "Refusal", "band", "deviance", "exponent_deviance", "fit_law", "predict", "size_means", "to_json"]
