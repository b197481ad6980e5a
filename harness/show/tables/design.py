"""Which runs to make next, and what else the budget would give."""

from collections.abc import Iterator

import pandas as pd

from harness.base.formats import estimate
from harness.judging.design import DesignAnswer

TRUST = "The plan trusts the law: make one of the largest runs too, to check it, and do not quote the widths."


def design_frame(answer: DesignAnswer) -> pd.DataFrame:
    """A row for each place of each plan; `width` is that of the interval to come, over that of now."""
    rows = []
    for design in answer.designs:
        for there in design.runs:
            sizes = list(there.at.values())
            ratio = {"ratio": sizes[1] / sizes[0]} if len(sizes) > 1 else {}
            runs = {"plan": there.plan, "arm": there.arm, **there.at, **ratio, "runs": there.runs, "cost": there.cost}
            ends = {"low": there.interval.low, "high": there.interval.high}
            rows.append({"series": design.series, **runs, "width": there.width, **ends})
    return pd.DataFrame(rows)


def design_sentences(answer: DesignAnswer) -> Iterator[str]:
    """What each law says now, and how wide the interval will be; why there is no plan, and what to know."""
    for design in answer.designs:
        about = f"{design.series}, {design.quantity}"
        if design.now:
            widths = {there.plan: f"{there.width:.2f} ({there.plan})" for there in design.runs}
            now = estimate(design.now.value, design.now.interval.low, design.now.interval.high)
            yield f"{about}: {now}; with new runs its width is expected to be times {', '.join(widths.values())}."
        yield from (f"{refusal.code}, {about}: {refusal.reason}" for refusal in design.refusals)
        yield from (f"{caution.code}, {about}: {caution.reason}" for caution in design.cautions)
    yield TRUST
