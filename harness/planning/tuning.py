"""The recipes of a tuning grid (`tune:`), of which every arm has equally many."""

import itertools
import json
import math
from typing import Any

from pydantic import ValidationError

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import all_fields
from harness.optimisers import OPTIMISERS
from harness.planning.trials import who_has
from harness.spec import Arm, Experiment, Recipe
from harness.spec.read import mistake_in


def tuned_recipes(variant: Experiment, arm_name: str, recipe: Recipe) -> list[Recipe]:
    """The recipe at every point of the tuning grid; every arm must have equally many points."""
    counts = {name: math.prod(len(v) for v in _tune(variant, arm).values()) for name, arm in variant.arms.items()}
    if len(set(counts.values())) > 1 and not variant.allow_unequal_tuning:
        raise HarnessError(
            f"tune: unequal numbers of trials {counts}; give every arm equally many, or say "
            "allow_unequal_tuning: true, which every figure will repeat"
        )
    tune = _tune(variant, variant.arms[arm_name])
    where = "tune" if variant.arms[arm_name].tune is None else f"arms.{arm_name}.tune"
    tunable = _tunable(variant)
    for path in tune:
        if path not in tunable:
            raise HarnessError(f"{where}.{path}: it cannot be tuned; {did_you_mean(path, tunable)}")
    return [_tuned(recipe, dict(zip(tune, point, strict=True)), where) for point in itertools.product(*tune.values())]


def _tunable(variant: Experiment) -> list[str]:
    """What may differ between trials: fields that leave the work of a run as it was matched.

    An arm whose optimiser lacks one of them is told that it is no field of its recipe.
    """
    own = [type(recipe.optimizer) for recipe in variant.recipes.values()]
    names = dict.fromkeys(itertools.chain(*(kind.tunable for kind in (*OPTIMISERS.values(), *own))))
    return ["gain", *(f"optimizer.{name}" for name in names), "sparsity.strength"]


def _tune(variant: Experiment, arm: Arm) -> dict[str, tuple]:
    return variant.tune if arm.tune is None else arm.tune


def _tuned(recipe: Recipe, values: dict[str, Any], where: str) -> Recipe:
    """The recipe with these values, which stand at `where` in the file."""
    data = all_fields(recipe)
    for path, value in values.items():
        *parents, last = path.split(".")
        fields: Any = data
        for name in parents:
            fields = fields.get(name) or {}
        if last not in fields:
            raise HarnessError(f"{where}.{path}: no field of this arm's recipe; {who_has(path, fields)}")
        fields[last] = value
    try:
        return Recipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        found, problem = mistake_in(error, Recipe)
        last = found.rpartition(".")[2]
        path = next((path for path in values if path.rpartition(".")[2] == last), next(iter(values)))
        value = "" if problem.startswith("=") else f"={values[path]}"
        raise HarnessError(f"{where}.{path}{value}{problem}") from None
