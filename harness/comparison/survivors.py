"""Runs that failed, and runs that one arm had and the other had not: what a mean over survivors
hides.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.stats import fisher_exact

from harness.laws import Caution
from harness.laws.points import Integers, Numbers

MOST_FAILED = 0.2  # of a size's runs
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Failures:
    """How many runs of an arm failed at each size."""

    sizes: Annotated[Numbers, "the sizes"]
    runs: Annotated[Integers, "that were started at them"]
    failed: Annotated[Integers, "of these"]


def failure_cautions(first: Failures, second: Failures) -> tuple[Caution, ...]:
    """CENSORED where more than 20 % of an arm's runs at a size failed; SURVIVOR_BIAS where one arm
    fails more often.

    More often means that Fisher's exact test of all runs of both arms rejects equal shares at 5 %.
    """
    cautions = []
    for arm, counts in (("first", first), ("second", second)):
        for size, runs, failed in zip(counts.sizes, counts.runs, counts.failed, strict=True):
            if failed > MOST_FAILED * runs:
                lost = f"{failed} of {runs} runs of the {arm} arm failed at size {size:.6g}"
                reason = (
                    f"{lost}, and only the others are in its mean. Mend them, or leave the "
                    "size out."
                )
                cautions.append(Caution("CENSORED", reason))
    table = np.array([[arm.failed.sum(), (arm.runs - arm.failed).sum()] for arm in (first, second)])
    if fisher_exact(table).pvalue < SIGNIFICANCE:
        (failed, ended), (other_failed, other_ended) = table
        reason = (
            f"{failed} of {failed + ended} runs of the first arm failed and {other_failed} of "
            f"{other_failed + other_ended} of the second: the arm that fails more is judged by "
            "its luckier runs. Mend "
            "the failures first."
        )
        cautions.append(Caution("SURVIVOR_BIAS", reason))
    return tuple(cautions)
