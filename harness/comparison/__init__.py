"""Two arms compared: costs at equal loss, losses at equal size, exponents, and what may be concluded.

Usable on its own beside harness.laws, with numpy and scipy only.
"""

from harness.comparison.answer import Refusal
from harness.comparison.best_of import Ratio, ratio
from harness.comparison.cost import CostRatio, cost_ratio
from harness.comparison.crossover import Ahead, Crossover, crossover
from harness.comparison.dominance import Dominance, dominance, without_law
from harness.comparison.effort import expected_best
from harness.comparison.exponents import ExponentDifference, exponent_difference
from harness.comparison.loss import LossRatio, loss_ratio
from harness.comparison.multiplier import Multiplier, multiplier
from harness.comparison.runs import ArmRuns, SizePair, cells, matched_edges, to_runs
from harness.comparison.survivors import Failures, budget_cautions, failure_cautions, failures
from harness.comparison.twin import Twin, twin_cautions, twin_ratio
from harness.comparison.verdict import (
    ClaimNumber,
    Count,
    JudgedClaim,
    count_outcomes,
    judge,
    outcome,
    sentence,
    task_level,
    to_number,
)
