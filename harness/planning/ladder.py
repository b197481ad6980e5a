"""A ladder for a training loop that is not ours: sizes at which modules of the user's are equal by one count.

A rung is one size of each arm. Where sizes are asked for, the baseline has them, and the other factory the largest size
that counts no more. Where budgets are, each has the largest size within.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from ruamel.yaml import YAML

from harness.base.errors import HarnessError
from harness.base.files import write_whole
from harness.planning.solve import LARGEST_SIZE, STRIDE, nearest_sizes

if TYPE_CHECKING:
    from harness.count.foreign import Factory, ForeignCounts

Axis = Literal["params", "flops_forward", "flops_train"]
Sizes = Mapping[str, int]


class LadderSetting(NamedTuple):
    """What is asked: rungs `at` sizes or budgets, of a factory and of one `like` which it is to be.

    A rung trains on so many `tokens` (or samples), on so many for each parameter of the baseline, or for `train_flops`.
    """

    factory: str
    at: tuple[str, ...]
    like: str | None = None
    axis: Axis = "params"
    solve: str | None = None
    multiple_of: int = 1
    tol: float = 0.1
    tokens: int | None = None
    tokens_per_param: float | None = None
    train_flops: float | None = None
    batch: int | None = None


class Rung(NamedTuple):
    """One size of one arm."""

    arm: Annotated[str, "name of the factory, with its module where two have one name"]
    factory: Annotated[str, "`package.module:name`"]
    rung: Annotated[int, "1 for the first that was asked for"]
    sizes: Annotated[dict[str, int], "what the factory is called with"]
    asked: Annotated[float, "the budget, or what the baseline counts"]
    params: Annotated[int, "trained scalars"]
    flops_forward: Annotated[int, "operations of a forward pass, a token or sample"]
    flops_train: Annotated[int, "operations of a forward and a backward pass, a token or sample"]
    residuals: Annotated[dict[str, float], "by count, over that of the baseline of this rung, − 1"]
    steps: Annotated[int | None, "optimiser steps"]
    seen: Annotated[int | None, "tokens or samples that it trains on: steps × batch"]
    flops_run: Annotated[int | None, "operations of its training, without the optimiser's"]


class Ladder(NamedTuple):
    """Sizes at which factories are equal by one count."""

    axis: Annotated[Axis, "what is made equal"]
    unit: Annotated[str, "what FLOPs are given for, `token` or `sample`"]
    batch: Annotated[int, "tokens or samples a step"]
    rungs: Annotated[list[Rung], "one an arm and size, the baseline first"]


def make_ladder(setting: LadderSetting) -> Ladder:
    """The rungs that are asked for; a HarnessError says what cannot be made, counted or met."""
    from harness.count.foreign import factory_at  # which needs torch

    asked = [_asked(text) for text in setting.at]
    _check(setting, asked)
    factories = [factory_at(reference) for reference in (setting.like, setting.factory) if reference]
    if len({factory.unit for factory in factories}) > 1:
        raise HarnessError(
            " and ".join(f"the example of {factory.reference} is counted by the {factory.unit}" for factory in factories)
            + "; let both give a batch of one kind"
        )
    batch = setting.batch or factories[0].units
    rungs: list[Rung] = []
    for number, place in enumerate(asked, start=1):
        fixed, budget = ({}, place) if isinstance(place, float) else (place, None)
        first: ForeignCounts | None = None
        for factory in factories:
            sizes = fixed if budget is None else _solved(factory, fixed, budget, setting)
            counts = factory.counts(sizes)
            first = first or counts
            budget = getattr(first, setting.axis) if budget is None else budget
            off = {name: count / getattr(first, name) - 1 for name, count in counts._asdict().items()}
            length = _length(counts, first, batch, setting)
            rungs.append(Rung(factory.name, factory.reference, number, dict(sizes), budget, *counts, off, *length))
    if len({factory.name for factory in factories}) < len(factories):
        rungs = [rung._replace(arm=rung.factory) for rung in rungs]
    return Ladder(setting.axis, factories[0].unit, batch, rungs)


def rows_of(ladder: Ladder) -> list[dict[str, Any]]:
    """What rungs.yaml has of each: columns that say what a number is for, `flops_train_per_token`."""
    rows = []
    for rung in ladder.rungs:
        row = {name: getattr(rung, name) for name in ("arm", "factory", "rung", "sizes")}
        row |= {"matched_on": ladder.axis, "asked": rung.asked, "params": rung.params}
        row |= {f"flops_{which}_per_{ladder.unit}": getattr(rung, f"flops_{which}") for which in ("forward", "train")}
        row |= {f"residual_{name}": round(off, 6) for name, off in rung.residuals.items()}
        if rung.steps:
            row |= {"steps": rung.steps, f"{ladder.unit}s": rung.seen, "flops_train": rung.flops_run}
        rows.append(row)
    return rows


def write_ladder(ladder: Ladder, path: Path) -> list[Path]:
    """The rungs as CSV, a column a size, and as YAML beside it."""
    if path.suffix != ".csv":
        raise HarnessError(f"`out` {path}: the name of a table ends in .csv, and a file beside it in .yaml")
    rows, sizes = rows_of(ladder), list(dict.fromkeys(name for rung in ladder.rungs for name in rung.sizes))
    heads = [name for head in rows[0] for name in (sizes if head == "sizes" else [head])]
    if taken := [name for name in sizes if heads.count(name) > 1]:
        raise HarnessError(f"{path}: {taken[0]} is a size of yours and a column of the ladder; call the size otherwise")
    table, document = io.StringIO(), io.StringIO()
    writer = csv.DictWriter(table, heads, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, **row["sizes"]} for row in rows)
    YAML().dump(rows, document)
    beside = path.with_suffix(".yaml")
    write_whole(path, table.getvalue())
    write_whole(beside, document.getvalue())
    return [path, beside]


# ------------------------------------------------------------------------------------------------------------ one rung
def _asked(text: str) -> float | dict[str, int]:
    """A budget, or sizes."""
    with suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    sizes: dict[str, int] = {}
    for word in text.split(","):
        name, _, value = word.partition("=")
        if not (name.isidentifier() and value.isdecimal() and int(value)):
            raise HarnessError(f"`at` {text!r}: write sizes as width=64,layers=2, whole numbers above 0, or one number")
        sizes[name] = int(value)
    return sizes


def _check(setting: LadderSetting, asked: Sequence[float | dict[str, int]]) -> None:
    kinds = {type(place) for place in asked}
    if len(kinds) > 1:
        raise HarnessError(f"`at` {' and '.join(setting.at)}: give sizes or numbers, not both")
    is_solved = bool(setting.like) or float in kinds
    if is_solved and not setting.solve:
        raise HarnessError("`solve` is missing: name the argument of the factory that is solved for, such as width")
    if setting.solve and not is_solved:
        raise HarnessError(
            f"`solve` {setting.solve}: `at` gives the sizes of {setting.factory}; give numbers, or a baseline (`like`)"
        )
    rules = [f"`{name}`" for name in ("tokens", "tokens_per_param", "train_flops") if getattr(setting, name)]
    if len(rules) > 1:
        raise HarnessError(f"{' and '.join(rules)}: each says how long a rung trains; keep one")
    if setting.batch and not rules:
        raise HarnessError(f"`batch` {setting.batch}: say how long a rung trains too, by `tokens_per_param` for example")


def _solved(factory: Factory, fixed: Sizes, budget: float, setting: LadderSetting) -> Sizes:
    """The sizes with the largest one within the budget that is solved for, a multiple of what is asked for."""
    free, step, axis = str(setting.solve), setting.multiple_of, setting.axis

    def sizes_at(multiple: int) -> dict[str, int]:
        return {**fixed, free: multiple * step}

    @cache
    def counted(multiple: int) -> int:
        if axis == "params":
            return factory.parameters(sizes_at(multiple))
        return getattr(factory.counts(sizes_at(multiple)), axis)

    most = LARGEST_SIZE // step
    nearest = nearest_sizes(counted, budget, most)
    best = max((multiple for multiple in nearest if counted(multiple) <= budget), default=0)
    where = f"{factory.reference}: {axis}={budget:,.10g}"
    if counted(1) == counted(best if best > 1 else STRIDE**2):
        raise HarnessError(f"{where} cannot be met: {axis} is {counted(1):,} whatever the {free}; solve for another size")
    if not best:
        raise HarnessError(f"{where} is below its smallest size: {free}={step} has {counted(1):,}; ask for more")
    if best == most:
        raise HarnessError(f"{where} is beyond {free}={best * step:,}, the largest that is tried; ask for less")
    if counted(best) < (1 - setting.tol) * budget:
        offers = [f"{free}={one * step} has {counted(one):,} ({counted(one) / budget - 1:+.0%})" for one in nearest]
        raise HarnessError(
            f"{where} is not met from {1 - setting.tol:.0%} of it: {', '.join(offers)}; raise `tol`, or ask for another"
        )
    return sizes_at(best)


def _length(
    counts: ForeignCounts, first: ForeignCounts, batch: int, setting: LadderSetting
) -> tuple[int | None, int | None, int | None]:
    """Steps, tokens or samples, and training FLOPs of a rung; None where nobody asked."""
    if setting.tokens_per_param:
        wanted = setting.tokens_per_param * first.params
    elif setting.train_flops:
        wanted = setting.train_flops / counts.flops_train
    elif setting.tokens:
        wanted = setting.tokens
    else:
        return None, None, None
    steps = max(1, round(wanted / batch))
    return steps, steps * batch, steps * batch * counts.flops_train
