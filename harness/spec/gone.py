"""Fields that this version no longer has: what a file should say instead, and how an old plan is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

TUNE = "is gone; write search: with runs and replicates, and say what varies in each arm's space:"
# Fields of an experiment file, by dotted path, and what to write instead.
INSTEAD = {
    "search.trials": "each seed is a whole search now: write runs:, replicates: and cap: in place of trials, seeds and "
    "effort, and leave seeds: of the file out",
    "robust_to": "each replicate is another search, so that an answer holds for others; leave it out",
    "decide.*.arms": "rules say sides:, one of threshold:, most: and within:, and at: {AXIS: BUDGET} now "
    "(docs/verdicts.md)",
    "arms.*.tune": TUNE,
    "tune": TUNE,
    "allow_unequal_tuning": "is gone; leave it out, as with search: every side has equally many runs",
}
IN_PLANS = ("search.trials", "robust_to", "decide.*.arms")  # that no longer can be read; the others hold defaults


def fields_gone(experiment: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an experiment that this version no longer has, by dotted path, and what to write instead."""
    instead_of: dict[str, str] = {}
    for name, instead in INSTEAD.items():
        instead_of |= dict.fromkeys(_paths(experiment, name.split(".")), instead)
    return instead_of


def unreadable(experiment: Mapping[str, Any]) -> set[str]:
    """The rules and the search of a frozen experiment that this version cannot read, by their names in IN_PLANS."""
    return {name for name in IN_PLANS if any(_paths(experiment, name.split(".")))}


def _paths(data: Any, names: Sequence[str]) -> Iterator[str]:
    """The paths in the data that these names lead to, where `*` is every name or place in a list."""
    first, *below = names
    items = dict(enumerate(data)) if isinstance(data, list | tuple) else data if isinstance(data, Mapping) else {}
    for name, value in items.items():
        if first in (name, "*") and value is not None:
            yield from (f"{name}.{path}" for path in _paths(value, below)) if below else (str(name),)


def without_what_is_gone(plan: dict[str, Any]) -> dict[str, Any]:
    """The frozen plan, without rules and a search that this version cannot read; it keeps all of its runs."""
    frozen = plan.get("experiment", {})
    is_gone = unreadable(frozen)
    if not is_gone:
        return plan
    left_out, arms = {"decide", "looks"}, frozen["arms"]
    if is_gone != {"decide.*.arms"}:
        left_out |= {"search", "robust_to"}
        arms = {name: {**arm, "space": None} for name, arm in arms.items()}
    experiment = _without(frozen, left_out) | {"arms": arms}
    cells = [_without(cell, ("trial", "won")) for cell in plan["cells"]]
    kept = _without(plan, ("confirms", "follows"))
    return {**kept, "experiment": experiment, "cells": cells, "of_before": True}


def _without(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
