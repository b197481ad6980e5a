"""Which runs to make next, and what else the budget would give."""

from collections.abc import Iterator

import pandas as pd

from harness.judging.design import DesignAnswer
from harness.show.words import estimate_words

TRUST = "The plan trusts the law: make one of the largest runs too, to check it, and do not quote the widths."


def design_frame(answer: DesignAnswer) -> pd.DataFrame:
    """A row for each place of each plan; `width` is that of the interval to come, over that of now."""
    rows = []
    for design in answer.designs:
        for place in design.runs:
            sizes = list(place.at.values())
            ratio = {"ratio": sizes[1] / sizes[0]} if len(sizes) > 1 else {}
            runs = {"plan": place.plan, "arm": place.arm, **place.at, **ratio, "runs": place.runs, "cost": place.cost}
            interval = {"width": place.width, "low": place.interval.low, "high": place.interval.high}
            rows.append({"series": design.series, **runs, **interval})
    return pd.DataFrame(rows)


def design_sentences(answer: DesignAnswer) -> Iterator[str]:
    """What each law says now, and how wide the interval will be; why there is no plan, and what to know."""
    for design in answer.designs:
        about = f"{design.series}, {design.quantity}"
        if design.now:
            widths = {place.plan: f"{place.width:.2f} ({place.plan})" for place in design.runs}
            now = estimate_words(design.now)
            yield f"{about}: {now}; with new runs its width is expected to be times {', '.join(widths.values())}."
        yield from (f"{refusal.code}, {about}: {refusal.reason}" for refusal in design.refusals)
        yield from (f"{caution.code}, {about}: {caution.reason}" for caution in design.cautions)
    yield TRUST
