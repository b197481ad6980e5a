"""Two arms compared: how much more one needs for equal losses, losses at equal size, and what may
be concluded.

Usable on its own beside harness.laws, with numpy and scipy only.
"""

from harness.comparison.effort import expected_best
from harness.comparison.multiplier import Multiplier, multiplier
from harness.comparison.ratios import RatioAt, ratios
from harness.comparison.survivors import survivor_cautions
from harness.comparison.verdict import ClaimNumber, JudgedClaim, judge, sentence, task_level
