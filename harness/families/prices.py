"""What a transcendental function costs, in FLOPs: named tables, stored with every count that used
one.

No table is true of all hardware. The choice moves the count of an MLP of depth 3 by 22 % at width
10, 4 % at width 100.
"""

from collections.abc import Mapping

# Yu et al. 2024 (KANbeFair, arXiv 2407.16674): what the literature compares against. A sigmoid is
# negate, exp, add and divide, so an exp is 1; silu multiplies once more. Not theirs: a prelu is a
# compare and a product, a sine like an exp.
KANBEFAIR = {
    "relu": 1,
    "sigmoid": 4,
    "silu": 5,
    "tanh": 6,
    "gelu": 14,
    "exp": 1,
    "prelu": 2,
    "sin": 1,
    "cos": 1,
}
# One instruction, one FLOP, as profilers that count kernels' outputs have it.
UNIT = dict.fromkeys(KANBEFAIR, 1)
WEIGHTS = {"kanbefair": KANBEFAIR, "unit": UNIT}
DEFAULT_WEIGHTS = "kanbefair"
# Backward of an activation as torch executes it, by the same prices: g y' from what the forward
# pass kept.
BACKWARD = {"relu": 1, "tanh": 3, "silu": 9, "gelu": 20, "prelu": 6, "sine": 3}


def activation_price(activation: str, prices: Mapping[str, int]) -> int:
    """What an activation takes of one node: its weight, and of `sine` a multiplication by omega_0
    before.
    """
    return prices["sin"] + 1 if activation == "sine" else prices[activation]
