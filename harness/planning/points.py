"""The points of an arm's space at which it is trained, as experiments in which the arm is what the
point says.

They are those of a scrambled Sobol sequence (Owen 1998; scipy.stats.qmc), so that any first 2^m of
them are spread evenly over every axis. The first point is the arm as its file has it.
"""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import ValidationError

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen, all_fields
from harness.families.space import Range, SearchAxis, Space
from harness.optimisers import OPTIMISERS
from harness.spec.arm import Arm
from harness.spec.experiment import Experiment
from harness.spec.read import mistake_in, with_values
from harness.spec.recipe import BUILT_IN_RECIPES, Recipe

Part = TypeVar("Part", bound=Frozen)

WHOLE_RECIPE = "recipe"  # the axis whose values are names of recipes
DIGITS = 4  # of a real number at a point
POINTS_A_RUN = 32  # a power of two: of so many points, one at least should meet a budget
# of what decides the shape of a network and its training, where runs of one shape train together
COMBINATIONS = 16


class Point(NamedTuple):
    """A point of an arm's space: what it changes, by dotted path, and the experiment with the arm
    so changed.
    """

    values: dict[str, Any]
    experiment: Experiment


def space_of(experiment: Experiment, arm_name: str) -> Space:
    """What may vary in an arm: its own space, or the standard one of its family, and
    `search.recipes` for all.

    Of a standard space those axes are left out that the arm cannot have: the size that is solved
    for, and depth and width where `hidden` fixes them.
    """
    arm, search, solved = (
        experiment.arms[arm_name],
        experiment.search,
        _solved(experiment, arm_name),
    )
    place = f"arms.{arm_name}.space"
    assert search
    if isinstance(arm.space, dict):
        space = dict(arm.space)
        if solved in space:
            raise HarnessError(
                f"{place}.{solved}: match.solve finds this size for each budget; leave it out here"
            )
    else:
        has_hidden = getattr(arm.architecture, "hidden", None) is not None
        fixed = {solved} | ({"architecture.depth", "architecture.width"} if has_hidden else set())
        space = {
            path: axis
            for path, axis in arm.architecture.standard_space.items()
            if path not in fixed
        }
    if search.recipes:
        if WHOLE_RECIPE in space:
            raise HarnessError(
                f"{place}.recipe: search.recipes says among which recipes every arm chooses; "
                "keep one"
            )
        if len(search.recipes) > 1:
            space[WHOLE_RECIPE] = search.recipes
    return space


def _solved(experiment: Experiment, arm_name: str) -> str:
    """The dotted path of the size that is solved for."""
    assert experiment.match
    return f"architecture.{experiment.match.free_size(arm_name)}"


def runs_of_arm(experiment: Experiment, arm_name: str) -> int:
    """How many runs an arm makes at each size: its share of the side where it has the largest
    one.
    """
    assert experiment.search
    sides = [side for side in experiment.sides if arm_name in side]
    return max(experiment.search.shares(len(side))[side.index(arm_name)] for side in sides)


def points_of(
    experiment: Experiment,
    arm_name: str,
    scramble: int,
    lanes_differ_in: Collection[str] | None = None,
) -> Iterator[Point]:
    """The points of an arm in the order of a scramble's sequence: several times as many as it has
    runs.

    So there are others in the place of those that no size of the arm makes large or small enough
    for a budget. A space of lists that has as many combinations as there are runs is trained whole,
    in every replicate. Where runs train in lanes, which may differ in some axes only, all other
    axes have the values of COMBINATIONS points that are the same under all scrambles, so that lanes
    fill packs. A HarnessError if the space does not fit the arm.
    """
    assert experiment.search
    space = space_of(experiment, arm_name)
    _check(experiment, arm_name, space)
    arm = experiment.arms[arm_name]
    if combinations := _all_others(experiment, arm, space):
        yield Point({}, experiment)
        for values in combinations:
            yield Point(values, _changed(experiment, arm_name, values))
        return
    # Arms have scrambles of their own: with one space and one scramble they would try the same
    # points.
    of_arm = zlib.crc32(arm_name.encode())
    points = _sobol(len(space), [scramble, of_arm], POINTS_A_RUN * experiment.search.runs)
    if lanes_differ_in is not None:
        is_free = [path in lanes_differ_in for path in space]
        of_groups = _sobol(len(space), [of_arm], COMBINATIONS)[
            1:
        ]  # beside the arm as it is written
        points[1:] = np.where(is_free, points[1:], np.resize(of_groups, points[1:].shape))
    written = _written(arm)
    yield Point({}, experiment)
    for point in points[1:]:
        drawn = {
            path: value_at(axis, share)
            for (path, axis), share in zip(space.items(), point, strict=True)
        }
        settings = (written | drawn).items()
        values = {
            path: value for path, value in drawn.items() if _when(space[path]).items() <= settings
        }
        yield Point(values, _changed(experiment, arm_name, values))


def _all_others(experiment: Experiment, arm: Arm, space: Space) -> list[dict[str, Any]]:
    """Every combination of a space of lists but the arm as it is written, if there are as many as
    runs; else none.
    """
    assert experiment.search
    lists = [axis for axis in space.values() if not isinstance(axis, Range)]
    if len(lists) < len(space) or math.prod(map(len, lists)) != experiment.search.runs:
        return []
    recipe = (BUILT_IN_RECIPES | experiment.recipes)[arm.recipe]
    written = _written(arm) | _leaves(all_fields(recipe), "recipe.")
    combinations = (dict(zip(space, values, strict=True)) for values in itertools.product(*lists))
    differing = []
    for values in combinations:
        if any(written.get(path) != value for path, value in values.items()):
            differing.append(values)
    return differing if len(differing) == experiment.search.runs - 1 else []


def _sobol(axes: int, seed: Sequence[int], number: int) -> np.ndarray:
    """At least so many points of a scrambled sequence [number, axes], a power of two."""
    from scipy.stats.qmc import (
        Sobol,  # takes most of a second, which plans without a search need not wait for
    )

    number = 2 ** math.ceil(math.log2(number))
    return (
        Sobol(axes, scramble=True, rng=np.random.default_rng(seed)).random(number)
        if axes
        else np.empty((number, 0))
    )


def _when(axis: SearchAxis) -> Mapping[str, Any]:
    """The values of other fields at which an axis varies."""
    return axis.when if isinstance(axis, Range) else {}


def _written(arm: Arm) -> dict[str, Any]:
    """What the file says of an arm, or leaves at its default, by dotted path; lists as files have
    them.
    """
    return _leaves(all_fields(arm.architecture), "architecture.") | {WHOLE_RECIPE: arm.recipe}


def value_at(axis: SearchAxis, share: float) -> Any:
    """What lies at `share` (0 to below 1) of an axis.

    Whole numbers have equal parts of a linear axis, and of a logarithmic one what lies nearest to
    each.
    """
    if not isinstance(axis, Range):
        return axis[int(share * len(axis))]
    if axis.is_whole and not axis.log:
        return int(axis.low) + int(share * (int(axis.high) - int(axis.low) + 1))
    half = 0.5 if axis.is_whole else 0.0
    low, high = axis.low - half, axis.high + half
    low, high = (math.log(low), math.log(high)) if axis.log else (low, high)
    value = low + share * (high - low)
    value = math.exp(value) if axis.log else value
    if axis.is_whole:
        return min(max(round(value), int(axis.low)), int(axis.high))  # 0.5 is rounded to 0
    return float(f"{value:.{DIGITS}g}")


# --------------------------------------------------------------------------------------------------
# checks
def _check(experiment: Experiment, arm_name: str, space: Space) -> None:
    """A HarnessError if an axis is no field of the arm, or can never vary."""
    arm, solved = experiment.arms[arm_name], _solved(experiment, arm_name)
    recipes = BUILT_IN_RECIPES | experiment.recipes
    written = _written(arm)
    chosen = space.get(WHOLE_RECIPE, ())
    names = [arm.recipe, *(chosen if isinstance(chosen, tuple) else ())]
    fields = [path for path in written if path not in ("architecture.family", WHOLE_RECIPE)]
    of_recipes: list[str] = []
    for name in names:
        of_recipes += _leaves(all_fields(recipes[name]), "recipe.") if name in recipes else []
    for path, axis in space.items():
        where = f"arms.{arm_name}.space.{path}"
        for field, value in _when(axis).items():
            _check_when(space, written, solved, f"{where}.when.{field}", field, value)
        if path == WHOLE_RECIPE:
            if isinstance(axis, Range):
                such_as = ", ".join([*experiment.recipes, *BUILT_IN_RECIPES][:2])
                raise HarnessError(
                    f"{where}: recipes are chosen by their names, such as [{such_as}]"
                )
            for name in axis:
                if name not in recipes:
                    hint = did_you_mean(str(name), [*experiment.recipes, *BUILT_IN_RECIPES])
                    raise HarnessError(f"{where}: {name!r} is no recipe; {hint}")
        elif path == "recipe.max_evaluations":
            raise HarnessError(
                f"{where}: the search says how many evaluations a run gets; leave it out here"
            )
        elif path.startswith("recipe.") and path not in of_recipes:
            raise HarnessError(
                f"{where}: no recipe of this arm has it; {who_has(path, of_recipes)}"
            )
        elif not path.startswith("recipe.") and path not in fields:
            hint = did_you_mean(path, [*fields, WHOLE_RECIPE, "recipe.gain"])
            raise HarnessError(f"{where}: no field of this arm; {hint}")


def _check_when(
    space: Space, written: Mapping[str, Any], solved: str, where: str, field: str, value: object
) -> None:
    """A HarnessError if an axis varies only where another field has a value that it never has."""
    fields = list(dict.fromkeys([*space, *written]))
    if field not in fields:
        raise HarnessError(f"{where}: no field of this arm; {did_you_mean(field, fields)}")
    if field == solved:
        raise HarnessError(
            f"{where}: match.solve finds this size for each budget; leave it out here"
        )
    axis, never = (
        space.get(field),
        f"{where}: it is never {value!r}, so that this axis would never vary;",
    )
    if axis is None:
        if written[field] != value:
            raise HarnessError(
                f"{never} it is {written[field]!r} in every run, unless the space has choices of it"
            )
    elif not isinstance(axis, Range):
        if value not in axis:
            raise HarnessError(f"{never} give one of {', '.join(map(str, axis))}")
    else:
        lies_on_it = False
        if isinstance(value, (int, float)) and axis.low <= value <= axis.high:
            lies_on_it = value == (round(value) if axis.is_whole else float(f"{value:.{DIGITS}g}"))
        if not lies_on_it:
            kind = "a whole number" if axis.is_whole else f"a number of {DIGITS} digits"
            raise HarnessError(f"{never} give {kind} from {axis.low:g} to {axis.high:g}")


def who_has(path: str, paths: Collection[str]) -> str:
    """Which optimisers have a field that a recipe lacks, in words; where none has, the known paths
    that are like it.
    """
    _, optimizer, field = path.rpartition("optimizer.")
    owners = [name for name, kind in OPTIMISERS.items() if optimizer and field in kind.model_fields]
    if not owners:
        return did_you_mean(path, paths)
    return (
        f"{field} is a field of optimizer {' and '.join(owners)}; train the arm by that, or "
        "leave this out"
    )


def _leaves(data: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """All fields by dotted path, also those within others."""
    leaves = {}
    for name, value in data.items():
        leaves[prefix + name] = value
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
    return leaves


# --------------------------------------------------------------------------------------------------
# changes
def _changed(experiment: Experiment, arm_name: str, values: Mapping[str, Any]) -> Experiment:
    """The experiment in which the arm is as a point says; of a recipe that lacks a field, the field
    is left alone.
    """
    arm = experiment.arms[arm_name]
    name = values.get(WHOLE_RECIPE, arm.recipe)
    recipe = all_fields((BUILT_IN_RECIPES | experiment.recipes)[name])
    has = _leaves(recipe, "recipe.")
    data = {"architecture": arm.architecture.model_dump(mode="json"), "recipe": recipe}
    applying = {
        path: value
        for path, value in values.items()
        if path.startswith("architecture.") or path in has
    }
    data = with_values(data, applying)
    changed = {
        "architecture": _valid(type(arm.architecture), data["architecture"], arm_name, values),
        "recipe": name,
    }
    recipes = experiment.recipes | {name: _valid(Recipe, data["recipe"], arm_name, values)}
    arms = experiment.arms | {arm_name: arm.model_copy(update=changed)}
    return experiment.model_copy(update={"arms": arms, "recipes": recipes})


def _valid(
    kind: type[Part], data: Mapping[str, Any], arm_name: str, values: Mapping[str, Any]
) -> Part:
    """A part of an arm, checked; a HarnessError that names the axis which gave it a wrong value."""
    try:
        return kind.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        path, problem = mistake_in(error, kind)
        where = ".".join(filter(None, (WHOLE_RECIPE if kind is Recipe else "architecture", path)))
        axis = next((axis for axis in values if path and f"{where}.".startswith(f"{axis}.")), "")
        place = f"arms.{arm_name}.space{f'.{where}' if axis else ''}"
        raise HarnessError(
            f"{place}{problem if axis or not path else f': {where}{problem}'}"
        ) from None


# --------------------------------------------------------------------------------------------------
# in words
def varied_words(path: str, axis: SearchAxis) -> str:
    """An axis in a few words: `architecture.order in 2, 3` or `recipe.gain from 0.5 to 10
    (log)`.
    """
    if not isinstance(axis, Range):
        return f"{path} in {', '.join(map(str, axis))}"
    condition = " and ".join(f"{field} is {value}" for field, value in axis.when.items())
    scale = " (log)" if axis.log else ""
    return (
        f"{path} from {axis.low:g} to "
        f"{axis.high:g}{scale}{f', where {condition}' if condition else ''}"
    )


def differences(space: Space, standard: Space) -> str:
    """What a space adds to the standard one, leaves out, or has other ends or choices of."""
    words = []
    if added := [path for path in space if path not in standard]:
        words.append(f"adds {', '.join(added)}")
    if missing := [path for path in standard if path not in space]:
        words.append(f"leaves out {', '.join(missing)}")
    if changed := [path for path in space if path in standard and space[path] != standard[path]]:
        words.append(f"changes {', '.join(changed)}")
    return "; ".join(words) or "the standard space"
