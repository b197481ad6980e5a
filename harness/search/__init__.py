"""What is chosen from the trials of a search, and how the choice improves with the number of trials.

Usable on its own, with numpy, scipy and pandas only.
"""

from harness.search.choose import choose, scores, shares
from harness.search.tables import SearchedSize, curves_table, ratios, ratios_table, tuning_curves
from harness.search.tuning_curve import EffortRatio, TuningCurve, effort_ratio, tuning_curve

__all__ = [
    "EffortRatio",
    "SearchedSize",
    "TuningCurve",
    "choose",
    "curves_table",
    "effort_ratio",
    "ratios",
    "ratios_table",
    "scores",
    "shares",
    "tuning_curve",
    "tuning_curves",
]
