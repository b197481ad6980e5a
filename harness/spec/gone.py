"""Fields that this version no longer has: what a file should say instead, and how an old plan is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from harness.base.outside import IN_A_FILE

# Fields of an experiment file, by dotted path, and what to write instead.
INSTEAD = {
    "search.trials": "each seed is a whole search now: write runs:, replicates: and cap: in place of trials, seeds and "
    "effort, and leave seeds: of the file out",
    "robust_to": "each replicate is another search, so that an answer holds for others; leave it out",
}

RULE_OF_BEFORE = "arms"  # a rule says `sides` now
INSTEAD_OF_RULE = (
    "rules say sides:, one of threshold:, most: and within:, and at: {AXIS: BUDGET} now (docs/verdicts.md)"
)


def rules_gone(experiment: Mapping[str, Any]) -> list[str]:
    """The rules of an experiment that were written for earlier versions, by dotted path."""
    rules = experiment.get("decide")
    listed = rules if isinstance(rules, (list, tuple)) else ()
    return [f"decide.{place}" for place, rule in enumerate(listed) if _has(rule, [RULE_OF_BEFORE])]


def fields_gone(experiment: Mapping[str, Any]) -> list[str]:
    """The fields of an experiment that this version no longer has, by dotted path."""
    return [path for path in INSTEAD if _has(experiment, path.split("."))]


def without_what_is_gone(plan: dict[str, Any]) -> dict[str, Any]:
    """The frozen plan, without rules and a search that this version cannot read; it keeps all of its runs."""
    said = plan.get("experiment", {})
    if not fields_gone(said) and not rules_gone(said):
        return plan
    left_out = {"decide", "looks", *(("search", "robust_to") if fields_gone(said) else ())}
    experiment = {name: value for name, value in plan["experiment"].items() if name not in left_out}
    arms = experiment["arms"]
    if "search" in left_out:
        arms = {name: {**arm, "space": None} for name, arm in arms.items()}
    cells = [{name: value for name, value in cell.items() if name not in ("trial", "won")} for cell in plan["cells"]]
    rest = {name: value for name, value in plan.items() if name not in ("confirms", "follows")}
    return {**rest, "experiment": {**experiment, "arms": arms}, "cells": cells, "of_before": True}


def _has(data: object, path: list[str]) -> bool:
    if not path:
        return data is not None
    return isinstance(data, Mapping) and path[0] in data and _has(data[path[0]], path[1:])


def _gone(instead: str) -> BeforeValidator:
    """Refuses a removed field in a file, and says what to write instead; a frozen plan may have it."""

    def check(value: object, info: ValidationInfo) -> object:
        if info.context == IN_A_FILE:
            raise ValueError(f"is gone; {instead}")
        return value

    return BeforeValidator(check)


# These keep their defaults in the data: the plan of a file that never set them does not change.
Tune = Annotated[
    SkipJsonSchema[dict[str, Any]],
    _gone("write search: with runs and replicates, and say what varies in each arm's space:"),
]
AllowUnequalTuning = Annotated[
    SkipJsonSchema[bool], _gone("leave it out, as with search: every side has equally many runs")
]
