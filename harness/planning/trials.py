"""Trials: the points of an arm's space at which it is trained, as experiments in which the arm is what the point says.

Points are those of a scrambled Sobol sequence (Owen 1998; scipy.stats.qmc), so that any first 2^m of them are spread
evenly over every axis. Trial 0 is the arm as its file has it.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import ValidationError

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen, all_fields
from harness.comparison.shares import shares
from harness.families.space import Range, SearchAxis, Space
from harness.optimisers import OPTIMISERS
from harness.spec import BUILT_IN_RECIPES, Arm, Experiment, Recipe
from harness.spec.read import mistake_in

Part = TypeVar("Part", bound=Frozen)

WHOLE_RECIPE = "recipe"  # the axis whose values are names of recipes
DIGITS = 4  # of a real number in a trial
POINTS_A_RUN = 32  # a power of two: of so many points, one at least should meet a budget
COMBINATIONS = 16  # of what decides the shape of a network and its training, where runs of one shape train together


class Trial(NamedTuple):
    """A point of an arm's space: what it changes, by dotted path, and the experiment with the arm so changed."""

    values: dict[str, Any]
    experiment: Experiment


def space_of(experiment: Experiment, arm_name: str) -> Space:
    """What may vary in an arm: its own space, or the standard one of its family, and `search.recipes` for all.

    Of a standard space those axes are left out that the arm cannot have: the size that is solved for, and depth and
    width where `hidden` fixes them.
    """
    arm, search, solved = experiment.arms[arm_name], experiment.search, _solved(experiment, arm_name)
    assert search is not None
    if isinstance(arm.space, dict):
        space = dict(arm.space)
        if solved in space:
            raise HarnessError(
                f"arms.{arm_name}.space.{solved}: match.solve finds this size for each budget; leave it out here"
            )
    else:
        has_hidden = getattr(arm.architecture, "hidden", None) is not None
        fixed = {solved} | ({"architecture.depth", "architecture.width"} if has_hidden else set())
        space = {path: axis for path, axis in arm.architecture.standard_space.items() if path not in fixed}
    if search.recipes:
        if WHOLE_RECIPE in space:
            raise HarnessError(
                f"arms.{arm_name}.space.recipe: search.recipes says among which recipes every arm chooses; keep one"
            )
        if len(search.recipes) > 1:
            space[WHOLE_RECIPE] = search.recipes
    return space


def _solved(experiment: Experiment, arm_name: str) -> str:
    """The dotted path of the size that is solved for."""
    match = experiment.match
    assert match is not None
    return f"architecture.{match.solve.get(arm_name, match.solve.get('*'))}"


def number_of_trials(experiment: Experiment, arm_name: str) -> int:
    """How many trials an arm needs: its share of the side where it has the largest one."""
    assert experiment.search is not None
    sides = [side for side in experiment.sides if arm_name in side]
    return max(shares(experiment.search.runs, len(side))[side.index(arm_name)] for side in sides)


def trials_of(
    experiment: Experiment, arm_name: str, scramble: int, lanes_differ_in: Collection[str] | None = None
) -> Iterator[Trial]:
    """The trials of an arm in the order of a scramble's sequence: several times as many as it needs.

    So there are others in the place of those that no size of the arm makes large or small enough for a budget. Where
    runs train in lanes, which may differ in some axes only, all other axes have the values of COMBINATIONS points that
    are the same under all scrambles, so that lanes fill packs. A HarnessError if the space does not fit the arm or the
    number of trials.
    """
    assert experiment.search is not None
    space = space_of(experiment, arm_name)
    _check(experiment, arm_name, space)
    arm = experiment.arms[arm_name]
    # Arms have scrambles of their own: with one space and one scramble they would try the same points.
    of_arm = zlib.crc32(arm_name.encode())
    points = _sobol(len(space), [scramble, of_arm], POINTS_A_RUN * experiment.search.runs)
    if lanes_differ_in is not None:
        is_free = [path in lanes_differ_in for path in space]
        others = _sobol(len(space), [of_arm], COMBINATIONS)[1:]  # beside the arm as it is written
        points[1:] = np.where(is_free, points[1:], np.resize(others, points[1:].shape))
    for index, point in enumerate(points):
        values = _values_at(arm, space, point) if index else {}
        yield Trial(values, _with_values(experiment, arm_name, values))


def _sobol(axes: int, seed: Sequence[int], number: int) -> np.ndarray:
    """At least so many points of a scrambled sequence [number, axes], a power of two."""
    from scipy.stats.qmc import Sobol  # takes most of a second, which plans without a search need not wait for

    number = 2 ** math.ceil(math.log2(number))
    return Sobol(axes, scramble=True, rng=np.random.default_rng(seed)).random(number) if axes else np.empty((number, 0))


def _values_at(arm: Arm, space: Space, point: np.ndarray) -> dict[str, Any]:
    """What a point of the unit cube makes of every axis, but for those that vary only where others have some value."""
    drawn = {path: value_at(axis, share) for (path, axis), share in zip(space.items(), point, strict=True)}
    known = _written(arm) | drawn

    def applies(axis: SearchAxis) -> bool:
        return not isinstance(axis, Range) or all(known.get(path) == value for path, value in axis.when.items())

    return {path: value for path, value in drawn.items() if applies(space[path])}


def _written(arm: Arm) -> dict[str, Any]:
    """What the file says of an arm, or leaves at its default, by dotted path; lists as files have them."""
    fields = {name: getattr(arm.architecture, name) for name in type(arm.architecture).model_fields}
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    return {f"architecture.{name}": value for name, value in values.items()} | {WHOLE_RECIPE: arm.recipe}


def value_at(axis: SearchAxis, share: float) -> Any:
    """What lies at `share` (0 to below 1) of an axis."""
    if not isinstance(axis, Range):
        return axis[int(share * len(axis))]
    if axis.is_whole:
        return _whole_at(axis, share)
    low, high = (math.log(axis.low), math.log(axis.high)) if axis.log else (axis.low, axis.high)
    value = low + share * (high - low)
    return float(f"{math.exp(value) if axis.log else value:.{DIGITS}g}")


def _whole_at(axis: Range, share: float) -> int:
    """Whole numbers have equal parts of a linear axis, and of a logarithmic one what lies nearest to each."""
    if not axis.log:
        return int(axis.low) + int(share * (int(axis.high) - int(axis.low) + 1))
    low, high = math.log(axis.low - 0.5), math.log(axis.high + 0.5)
    return min(max(round(math.exp(low + share * (high - low))), int(axis.low)), int(axis.high))  # 0.5 is rounded to 0


# -------------------------------------------------------------------------------------------------------------- checks
def _check(experiment: Experiment, arm_name: str, space: Space) -> None:
    """A HarnessError if an axis is no field of the arm, or can never vary."""
    arm = experiment.arms[arm_name]
    recipes = _recipes(experiment, arm, space)
    for path, axis in space.items():
        where = f"arms.{arm_name}.space.{path}"
        if isinstance(axis, Range):
            _check_when(arm, space, axis, where, _solved(experiment, arm_name))
        match path.split("."):
            case ["recipe"]:
                _check_recipe_names(experiment, where, axis)
            case ["recipe", "max_evaluations"]:
                raise HarnessError(f"{where}: the search says how many evaluations a run gets; leave it out here")
            case ["recipe", *_]:
                known = [f"recipe.{name}" for name in _paths(recipes)]
                if path not in known:
                    raise HarnessError(f"{where}: no recipe of this arm has it; {who_has(path, known)}")
            case ["architecture", name] if name in type(arm.architecture).model_fields and name != "family":
                pass
            case _:
                fields = [name for name in type(arm.architecture).model_fields if name != "family"]
                known = [*(f"architecture.{name}" for name in fields), "recipe", "recipe.gain"]
                raise HarnessError(f"{where}: no field of this arm; {did_you_mean(path, known)}")


def _check_when(arm: Arm, space: Space, axis: Range, where: str, solved: str) -> None:
    """A HarnessError if an axis varies only where another field has a value that it never has."""
    written = _written(arm)
    known = list(dict.fromkeys([*space, *written]))
    for other, value in axis.when.items():
        if other not in known:
            raise HarnessError(f"{where}.when.{other}: no field of this arm; {did_you_mean(other, known)}")
        if other == solved:
            raise HarnessError(f"{where}.when.{other}: match.solve finds this size for each budget; leave it out here")
        if other in space and not _can_be(space[other], value):
            raise HarnessError(
                f"{where}.when.{other}: it is never {value!r}, so that this axis would never vary; give "
                f"{_values_words(space[other])}"
            )
        if other not in space and written[other] != value:
            raise HarnessError(
                f"{where}.when.{other}: it is never {value!r}, so that this axis would never vary; it is "
                f"{written[other]!r} in every trial, unless the space has choices of it"
            )


def _can_be(axis: SearchAxis, value: object) -> bool:
    """Whether a value lies on an axis, as `value_at` rounds it."""
    if not isinstance(axis, Range):
        return value in axis
    if not isinstance(value, (int, float)) or not axis.low <= value <= axis.high:
        return False
    return value == (round(value) if axis.is_whole else float(f"{value:.{DIGITS}g}"))


def _values_words(axis: SearchAxis) -> str:
    if not isinstance(axis, Range):
        return f"one of {', '.join(map(str, axis))}"
    kind = "a whole number" if axis.is_whole else f"a number of {DIGITS} digits"
    return f"{kind} from {axis.low:g} to {axis.high:g}"


def _check_recipe_names(experiment: Experiment, where: str, axis: SearchAxis) -> None:
    known = [*experiment.recipes, *BUILT_IN_RECIPES]
    if isinstance(axis, Range):
        raise HarnessError(f"{where}: recipes are chosen by their names, such as [{', '.join(known[:2])}]")
    for name in axis:
        if name not in known:
            raise HarnessError(f"{where}: {name!r} is no recipe; {did_you_mean(str(name), known)}")


def _recipes(experiment: Experiment, arm: Arm, space: Space) -> list[Recipe]:
    """The recipes that an arm may have."""
    chosen = space.get(WHOLE_RECIPE, ())
    names = [arm.recipe, *(chosen if isinstance(chosen, tuple) else ())]
    known = BUILT_IN_RECIPES | experiment.recipes
    return [known[name] for name in dict.fromkeys(names) if name in known]


def who_has(path: str, known: Iterable[str]) -> str:
    """Which optimisers have a field that a recipe lacks, in words; where none has, the known paths that are like it."""
    _, optimizer, field = path.rpartition("optimizer.")
    owners = [name for name, kind in OPTIMISERS.items() if optimizer and field in kind.model_fields]
    if not owners:
        return did_you_mean(path, known)
    return f"{field} is a field of optimizer {' and '.join(owners)}; train the arm by that, or leave this out"


def _paths(recipes: Iterable[Recipe]) -> list[str]:
    """The dotted paths of all fields of recipes."""

    def below(data: Mapping[str, Any], prefix: str) -> list[str]:
        found = []
        for name, value in data.items():
            found.append(prefix + name)
            found += below(value, f"{prefix}{name}.") if isinstance(value, dict) else []
        return found

    paths: dict[str, None] = {}
    for recipe in recipes:
        paths |= dict.fromkeys(below(all_fields(recipe), ""))
    return list(paths)


# ------------------------------------------------------------------------------------------------------------- changes
def _with_values(experiment: Experiment, arm_name: str, values: Mapping[str, Any]) -> Experiment:
    """The experiment in which the arm is as a point says; of a recipe that lacks a field, the field is left alone."""
    arm = experiment.arms[arm_name]
    name = values.get(WHOLE_RECIPE, arm.recipe)
    recipe = all_fields((BUILT_IN_RECIPES | experiment.recipes)[name])
    architecture = arm.architecture.model_dump(mode="json")
    for path, value in values.items():
        match path.split("."):
            case ["architecture", field]:
                architecture[field] = value
            case ["recipe", *parents, field]:
                if (place := _place(recipe, parents)) is not None and field in place:
                    place[field] = value
    kind = type(arm.architecture)
    changed = arm.model_copy(update={"architecture": _valid(kind, architecture, arm_name, values), "recipe": name})
    tried = _valid(Recipe, recipe, arm_name, values)
    return experiment.model_copy(
        update={"arms": experiment.arms | {arm_name: changed}, "recipes": experiment.recipes | {name: tried}}
    )


def _valid(kind: type[Part], data: Mapping[str, Any], arm_name: str, values: Mapping[str, Any]) -> Part:
    """A part of an arm, checked; a HarnessError that names the axis which gave it a wrong value."""
    try:
        return kind.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        found, problem = mistake_in(error, kind)
        where = ".".join(filter(None, (WHOLE_RECIPE if kind is Recipe else "architecture", found)))
        axis = next((path for path in values if f"{where}.".startswith(f"{path}.") and found), "")
        place = f"arms.{arm_name}.space{f'.{where}' if axis else ''}"
        raise HarnessError(f"{place}{problem if axis or not found else f': {where}{problem}'}") from None


def _place(recipe: dict[str, Any], parents: Iterable[str]) -> dict[str, Any] | None:
    place: Any = recipe
    for name in parents:
        place = place.get(name)
        if not isinstance(place, dict):
            return None
    return place
