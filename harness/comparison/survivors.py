"""Runs that failed in one arm more often than in the other: what a mean over survivors hides."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import fisher_exact

from harness.laws import Caution

SIGNIFICANCE = 0.05


def survivor_cautions(failures: Mapping[str, tuple[int, int]]) -> tuple[Caution, ...]:
    """SURVIVOR_BIAS where one of two arms fails more often; `failures` are by arm how many runs
    failed, and of how many.

    More often means that Fisher's exact test of all runs of both arms rejects equal shares at 5 %.
    """
    table = np.array([[failed, runs - failed] for failed, runs in failures.values()])
    if fisher_exact(table).pvalue >= SIGNIFICANCE:
        return ()
    told = (f"{failed} of {runs} runs of {arm}" for arm, (failed, runs) in failures.items())
    reason = (
        f"{' and '.join(told)} failed: the arm that fails more is judged by its luckier runs. "
        "Mend the failures first."
    )
    return (Caution("SURVIVOR_BIAS", reason),)
