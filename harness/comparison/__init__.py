"""Two arms compared: costs at equal loss, losses at equal size, exponents, and what may be
concluded.

Usable on its own beside harness.laws, with numpy and scipy only.
"""

from harness.comparison.bins import (
    ArmRuns,
    Dominance,
    Ratio,
    SizePair,
    cells,
    dominance,
    matched_edges,
    ratio,
    to_runs,
    without_law,
)
from harness.comparison.crossover import Crossover, crossover
from harness.comparison.effort import expected_best
from harness.comparison.multiplier import Multiplier, multiplier
from harness.comparison.ratios import (
    CostRatio,
    ExponentDifference,
    LossRatio,
    cost_ratio,
    exponent_difference,
    loss_ratio,
)
from harness.comparison.survivors import Failures, failure_cautions
from harness.comparison.verdict import (
    ClaimNumber,
    JudgedClaim,
    judge,
    sentence,
    task_level,
    to_number,
)
