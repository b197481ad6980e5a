"""A ladder for a training loop that is not ours: sizes at which modules of the user's are equal by
one count.

A rung is one size of each arm. Where sizes are asked for, the baseline has them, and the other
factory the largest size that counts no more. Where budgets are, each has the largest size within.
"""

import io
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ruamel.yaml import YAML

from harness.base.errors import HarnessError, UserCodeError, did_you_mean
from harness.base.files import write_whole
from harness.base.reasons import Caution
from harness.planning.solve import LARGEST_SIZE, STRIDE, nearest_sizes

if TYPE_CHECKING:
    from harness.count.foreign import Factory


class LadderSetting(NamedTuple):
    """What is asked: rungs `at` sizes or budgets, of a factory and of the baseline that it is
    `like`.

    A rung trains on so many tokens (or samples) for each parameter of the baseline, or for
    `train_flops`.
    """

    factory: str
    at: tuple[str, ...]
    like: str | None = None
    axis: str = "params"
    solve: str | None = None
    multiple_of: int = 1
    tol: float = 0.1
    tokens_per_param: float | None = None
    train_flops: float | None = None


class Rung(NamedTuple):
    """One size of one arm."""

    arm: Annotated[str, "name of the factory"]
    factory: Annotated[str, "`package.module:name`"]
    rung: Annotated[int, "1 for the first that was asked for"]
    sizes: Annotated[dict[str, int], "what the factory is called with"]
    asked: Annotated[float, "the budget, or what the baseline counts"]
    counts: Annotated[
        dict[str, int], "by axis; `flops_forward` and `flops_train` are of one token or sample"
    ]
    residuals: Annotated[dict[str, float], "by axis, over the baseline's count, − 1"]
    steps: Annotated[int | None, "optimiser steps, each on a batch of the example"]
    flops_run: Annotated[int | None, "operations of all of them, without the optimiser's"]


class Ladder(NamedTuple):
    """Sizes at which factories are equal by one count."""

    axis: Annotated[str, "what is made equal"]
    unit: Annotated[str, "what FLOPs are given for, `token` or `sample`"]
    batch: Annotated[int, "tokens or samples a step"]
    rungs: Annotated[list[Rung], "one an arm and size, the baseline first"]
    cautions: Annotated[tuple[Caution, ...], "what to know before training them"]


def make_ladder(setting: LadderSetting) -> Ladder:
    """The rungs that are asked for; a HarnessError says what cannot be made, counted or met."""
    from harness.count.foreign import AXES, factory_at  # which need torch
    from harness.laws.refusal import rung_cautions  # which needs scipy

    if setting.axis not in AXES:
        raise HarnessError(
            f"`axis` {setting.axis!r}, of a factory: {did_you_mean(setting.axis, AXES)}"
        )
    if setting.tokens_per_param and setting.train_flops:
        raise HarnessError(
            "`tokens_per_param` and `train_flops`: each says how long a rung trains; keep one"
        )
    factories = [
        factory_at(reference) for reference in (setting.like, setting.factory) if reference
    ]
    baseline, names = factories[0], [factory.reference.partition(":")[2] for factory in factories]
    names = names if len(set(names)) == len(names) else [factory.reference for factory in factories]
    if len({factory.unit for factory in factories}) > 1:
        raise HarnessError(
            "one example is a batch of tokens, the other of samples; let both be of one kind"
        )
    rungs: list[Rung] = []
    for number, text in enumerate(setting.at, start=1):
        budget, fixed = budget_or_sizes(text)
        first: dict[str, int] = {}
        for arm, factory in zip(names, factories, strict=True):
            sizes = fixed if budget is None else _solved(factory, fixed, budget, setting)
            counts = factory.counts(sizes)
            first = first or counts
            budget = budget or first[setting.axis]
            residuals = {name: count / first[name] - 1 for name, count in counts.items()}
            flops = counts["flops_train"] * baseline.units
            wanted = (setting.tokens_per_param or 0) * first["params"] / baseline.units
            wanted = wanted or (setting.train_flops or 0) / flops
            steps = max(1, round(wanted)) if wanted else None
            spent = steps and steps * flops
            rungs.append(
                Rung(arm, factory.reference, number, sizes, budget, counts, residuals, steps, spent)
            )
    return Ladder(
        setting.axis, baseline.unit, baseline.units, rungs, rung_cautions(len(setting.at))
    )


def ladder_rows(ladder: Ladder) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """What a table has of each rung, and its sizes; names say what FLOPs are of:
    flops_train_per_token.
    """
    rows = []
    for rung in ladder.rungs:
        row = {name: getattr(rung, name) for name in ("arm", "factory", "rung", "asked")} | {
            "matched_on": ladder.axis
        }
        for name, count in rung.counts.items():
            row |= {name if name == "params" else f"{name}_per_{ladder.unit}": count}
        row |= {f"residual_{name}": round(off, 6) for name, off in rung.residuals.items()}
        if rung.steps:
            seen = rung.steps * ladder.batch
            row |= {"steps": rung.steps, f"{ladder.unit}s": seen, "flops_train": rung.flops_run}
        if taken := rung.sizes.keys() & row.keys():
            raise HarnessError(
                f"{min(taken)} is a size of yours and a column of the table; rename your size"
            )
        rows.append((row, rung.sizes))
    return rows


def write_ladder(ladder: Ladder, path: Path) -> list[Path]:
    """The rungs as CSV, a column a size, and as YAML beside it."""
    import pandas as pd  # here, as plans are made without it

    rows, document = ladder_rows(ladder), io.StringIO()
    table = pd.DataFrame([{**row, **sizes} for row, sizes in rows], dtype=object)
    YAML().dump([{**row, "sizes": dict(sizes)} for row, sizes in rows], document)
    write_whole(path, table.to_csv(index=False))
    write_whole(path.with_suffix(".yaml"), document.getvalue())
    return [path, path.with_suffix(".yaml")]


def budget_or_sizes(text: str) -> tuple[float | None, dict[str, int]]:
    """Sizes of the baseline; or a budget, and sizes that are not solved for."""
    budget, words = None, text.split(",")
    with suppress(ValueError):
        if 0 < (number := float(words[0])) < math.inf:
            budget, words = number, words[1:]
    sizes = dict(word.partition("=")[::2] for word in words)
    if not all(
        name.isidentifier() and value.isdecimal() and int(value) for name, value in sizes.items()
    ):
        either = (
            "write sizes as width=64,layers=2, whole numbers above 0, or a budget as 1e6 or "
            "1e6,layers=2"
        )
        raise HarnessError(f"`at` {text!r}: {either}")
    return budget, {name: int(value) for name, value in sizes.items()}


def _solved(
    factory: "Factory", fixed: Mapping[str, int], budget: float, setting: LadderSetting
) -> dict[str, int]:
    """The sizes with the largest one within the budget that is solved for, a multiple of what is
    asked for.
    """
    free, step, axis = setting.solve, setting.multiple_of, setting.axis
    if not free:
        raise HarnessError(
            "`solve` is missing: name the argument of the factory that is solved for, such as width"
        )

    @cache
    def counted(multiple: int) -> int:
        sizes = {**fixed, free: multiple * step}
        try:
            return factory.parameters(sizes) if axis == "params" else factory.counts(sizes)[axis]
        except UserCodeError as error:
            if step > 1 or not re.search("divi|multiple|shape", str(error)):
                raise
            raise HarnessError(
                f"{error}; if {free} must be a multiple of heads, say so: `multiple_of` 8"
            ) from None

    most = LARGEST_SIZE // step
    nearest = nearest_sizes(counted, budget, most)
    best = max((multiple for multiple in nearest if counted(multiple) <= budget), default=0)
    where = f"{factory.reference}: {axis}={budget:,.10g}"
    if counted(1) == counted(max(nearest) if len(nearest) > 1 else STRIDE):
        raise HarnessError(
            f"{where}: it is {counted(1):,} whatever the {free}; solve for another size"
        )
    if best in (0, most) or counted(best) < (1 - setting.tol) * budget:
        offers = [
            f"{free}={one * step} has {counted(one):,} ({counted(one) / budget - 1:+.0%})"
            for one in nearest
        ]
        move = {0: "ask for more", most: "ask for less"}.get(
            best, "raise `tol`, or ask for another"
        )
        least = f"{1 - setting.tol:.0%}"
        raise HarnessError(
            f"{where}: no {free} has from {least} to 100% of it: {', '.join(offers)}; {move}"
        )
    return {**fixed, free: best * step}
