"""What earlier versions wrote and this one has no more: a sentence for files, and plans that are read without it."""

from collections.abc import Mapping
from typing import Any

# Fields of an experiment file, by dotted path, and what to write instead.
INSTEAD = {
    "search.trials": "each seed is a whole search now: write runs:, replicates: and cap: in place of trials, seeds and "
    "effort, and leave seeds: of the file out",
    "robust_to": "each replicate is another search, so that an answer holds for others; leave it out",
}
OF_CELLS = ("trial", "won")
OF_PLANS = ("confirms", "follows")


def gone(experiment: Mapping[str, Any]) -> list[str]:
    """The fields of an experiment that are no more, by dotted path."""
    return [path for path in INSTEAD if _has(experiment, path.split("."))]


def without_what_is_gone(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan as it was frozen, without its rules and its search if these are no more; its runs are all there."""
    if not gone(plan.get("experiment", {})):
        return plan
    left_out = {"search", "robust_to", "decide", "looks"}
    experiment = {name: value for name, value in plan["experiment"].items() if name not in left_out}
    arms = {name: {**arm, "space": None} for name, arm in experiment["arms"].items()}
    cells = [{name: value for name, value in cell.items() if name not in OF_CELLS} for cell in plan["cells"]]
    rest = {name: value for name, value in plan.items() if name not in OF_PLANS}
    return {**rest, "experiment": {**experiment, "arms": arms}, "cells": cells, "of_before": True}


def _has(data: object, path: list[str]) -> bool:
    if not path:
        return data is not None
    return isinstance(data, Mapping) and path[0] in data and _has(data[path[0]], path[1:])
