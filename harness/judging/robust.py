"""Whether a verdict survives another way of searching: one recipe alone, fewer trials, other points of the spaces."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.comparison import Count, count_outcomes
from harness.comparison.verdict import Conclusion, Ruling
from harness.judging.found import Number
from harness.judging.scaling import chosen_runs
from harness.judging.words import STABLE

Outcomes = Mapping[str, Mapping[str, Ruling]]  # of every unit, by convention

OPPOSITE = {"supported": "refuted", "refuted": "supported"}
FAR_WORSE = 10.0  # how much larger a loss is than by the search as declared, where a way of searching turns nothing


@dataclass(frozen=True)
class Under:
    """A rule judged under another way of searching.

    `turned` has the (convention, unit) of which it finds the opposite of what the search as declared found. Where both
    sides are far worse by it, it turns nothing.
    """

    name: str
    numbers: tuple[Number, ...]
    counts: tuple[Count, ...]
    conclusion: Conclusion
    far_worse: bool
    turned: tuple[tuple[str, str], ...]


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


def turned_units(declared: Outcomes, other: Outcomes) -> tuple[tuple[str, str], ...]:
    """The (convention, unit) that one search supports and the other refutes."""
    found = []
    for convention, outcomes in declared.items():
        others = other.get(convention, {})
        decided = [unit for unit in outcomes if outcomes[unit] in OPPOSITE]
        found += [(convention, unit) for unit in decided if others.get(unit) == OPPOSITE[outcomes[unit]]]
    return tuple(found)


def concluded(declared: Conclusion, outcomes: Outcomes, at_least: int, others: Sequence[Under]) -> Conclusion:
    """The conclusion once other ways of searching are heard.

    A unit that one of them turns is open. Where the rest is too little for what was concluded, that hangs on the
    training.
    """
    turned = set(itertools.chain.from_iterable(one.turned for one in others))
    for convention, told in outcomes.items():
        firm: list[Ruling] = ["inconclusive" if (convention, unit) in turned else told[unit] for unit in told]
        if declared in OPPOSITE and count_outcomes(convention, firm, at_least).outcome != declared:
            return "training-dependent"
    return declared


def robust_words(verdict: dict[str, Any]) -> str:
    """`stable`, or why a verdict (`judge.to_json`) is not, under other counts and other ways of searching."""
    others = [one for one in verdict.get("under", ()) if not one["far_worse"]]
    turned = [words for one in others if (words := _turned_words(one))]
    if verdict["verdict"] == "training-dependent":
        return "; ".join([f"{verdict['declared']} as declared", *turned])
    if turned:
        return "; ".join(turned)
    if verdict["verdict"] not in ("supported", "refuted"):
        return ""
    if not others:
        return STABLE if verdict["stable"] else ""
    if unsure := [one["name"] for one in others if one["conclusion"] != verdict["verdict"]]:
        return f"not confirmed under {', '.join(unsure)}"
    return "stable" if verdict["stable"] else ""


def _turned_words(one: dict[str, Any]) -> str:
    """`scramble 1 turns j0, xy (params.trainable)`, or nothing."""
    units: dict[str, list[str]] = {}
    for convention, unit in one.get("turned", ()):
        units.setdefault(convention, []).append(unit)
    conventions: dict[str, list[str]] = {}
    for convention, names in units.items():
        conventions.setdefault(", ".join(names), []).append(convention)
    return "; ".join(f"{one['name']} turns {names} ({', '.join(of)})" for names, of in conventions.items())
