"""A made-up answer: two sides on some tasks, with a ratio on three axes at three places each."""

import itertools
from collections.abc import Iterable, Mapping

from harness.comparison.replicates import Found
from harness.judging.versus import Baseline, Headline, Largest, Lead, Reading, Side

AXES = ("params.trainable", "flops_train.shared_dense", "flops_train.local_min")
PLACES = ("smallest", "middle", "largest")
CAUTION = "20 % of the runs of a side with a rather long name, which takes a second line, diverged."


def made_headline(
    formulas: Mapping[str, str],
    ratios: Iterable[Found],
    names: tuple[str, str] = ("kan", "mlp"),
    clock: str | None = None,
) -> Headline:
    """Tasks with these formulas and ratios in turn; each side leads once on every axis, and
    baselines are worse.
    """
    axes, ratio = [*AXES, *([clock] if clock else [])], itertools.cycle(ratios)
    readings = [Reading(*place, next(ratio)) for place in itertools.product(formulas, axes, PLACES)]
    leads, largest, baselines = [], [], []
    for task, axis in itertools.product(formulas, axes):
        for low, leader in ((1e9, names[0]), (4e9, None), (1.6e10, names[1])):
            leads.append(Lead(task, axis, low, 2 * low, leader))
    for task in formulas:
        largest += [Largest(task, name, f"[2,5,1] of {name}", 1e-3) for name in names]
        baselines += [Baseline(task, "constant", 0.58), Baseline(task, "linear", 0.44)]
    first, second = (Side(name, (name,)) for name in names)
    return Headline(
        first=first,
        second=second,
        metric="rmse",
        level=0.975,
        replicates=5,
        formulas=dict(formulas),
        columns=AXES,
        clock=clock,
        places=PLACES,
        readings=tuple(readings),
        largest=tuple(largest),
        leads=tuple(leads),
        cautions=(CAUTION,),
        baselines=tuple(baselines),
    )
