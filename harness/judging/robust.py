"""Whether a verdict survives another way of searching: one recipe alone, fewer trials, other points of the spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.comparison import Count
from harness.comparison.verdict import Conclusion
from harness.judging.found import Number
from harness.judging.scaling import chosen_runs
from harness.judging.words import STABLE

OPPOSITE = {"supported": "refuted", "refuted": "supported"}
FAR_WORSE = 10.0  # how much larger a loss is than by the search as declared, where a way of searching turns nothing


@dataclass(frozen=True)
class Under:
    """A rule judged under another way of searching. Where both sides are far worse by it, it turns nothing."""

    name: str
    numbers: tuple[Number, ...]
    counts: tuple[Count, ...]
    conclusion: Conclusion
    far_worse: bool


def by_way(table: pd.DataFrame, way: str) -> pd.DataFrame:
    """The rows of the winners that were chosen in another way, in the place of those of the search as declared."""
    return table[table["won_under"] == way].assign(won_under=None)


def far_worse(table: pd.DataFrame, way: str, sides: tuple[str, str], axis: str) -> bool:
    """Whether `way` makes both sides' median losses at the largest size over FAR_WORSE times larger, on all tasks."""
    declared, other = (_largest(one, sides, axis) for one in (table, by_way(table, way)))
    ratios = (other / declared).dropna()
    return len(ratios) > 0 and bool((ratios > FAR_WORSE).all())


def _largest(table: pd.DataFrame, sides: tuple[str, str], axis: str) -> pd.Series:
    """The median test loss by task and side at the largest budget on `axis`; infinite where half of the runs failed."""
    rows = chosen_runs(table, axis)
    rows = rows[rows["series"].isin(sides)]
    rows = rows[rows["asked"] == rows.groupby(["task", "series"])["asked"].transform("max")]
    losses = rows["test_loss"].where(rows["status"] == "done", np.inf)
    return losses.groupby([rows["task"], rows["series"]]).median()


def concluded(declared: Conclusion, counts: Sequence[Count], others: Sequence[Under]) -> Conclusion:
    """The conclusion once other ways of searching are heard: one may find the opposite under the same count."""
    if declared == "convention-dependent":
        return declared
    found = {count.convention: count.outcome for count in counts}
    for one in others:
        opposed = [
            count for count in one.counts if count.outcome == OPPOSITE.get(found.get(count.convention, "inconclusive"))
        ]
        if opposed and not one.far_worse:
            return "training-dependent"
    return declared


def robust_words(verdict: dict[str, Any]) -> str:
    """`stable`, or why a verdict (`judge.to_json`) is not, under other counts and other ways of searching."""
    others = [one for one in verdict.get("under", ()) if not one["far_worse"]]
    if verdict["verdict"] in ("training-dependent", "convention-dependent"):
        found = {count["convention"]: count["outcome"] for count in verdict["counts"]}
        turned = [words for one in others if (words := _opposed(one, found))]
        declared = [f"{verdict['declared']} as declared"] if verdict["verdict"] == "training-dependent" else []
        return "; ".join([*declared, *turned])
    if verdict["verdict"] not in ("supported", "refuted"):
        return ""
    if not others:
        return STABLE if verdict["stable"] else ""
    if unsure := [one["name"] for one in others if one["conclusion"] != verdict["verdict"]]:
        return f"not confirmed under {', '.join(unsure)}"
    return "stable" if verdict["stable"] else ""


def _opposed(one: dict[str, Any], found: dict[str, str]) -> str:
    """`refuted under scramble 1 (params.trainable)`, where the search as declared supports it; or nothing."""
    against: dict[str, list[str]] = {}
    for count in one["counts"]:
        if count["outcome"] == OPPOSITE.get(found.get(count["convention"], "inconclusive")):
            against.setdefault(count["outcome"], []).append(count["convention"])
    return "; ".join(f"{outcome} under {one['name']} ({', '.join(names)})" for outcome, names in against.items())
