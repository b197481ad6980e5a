"""What tasks and series are called in a plan: their names, and what tells them from others of the same name."""

import itertools
from collections.abc import Collection, Iterable
from typing import Any

from harness.spec import DataFile, Experiment, Task, canonical_json

Variants = list[tuple[dict[str, Any], Experiment]]  # the experiment at every point of its axes


def task_label(task: Task, points: Variants) -> str:
    """The target's name, with the fields that tell it from other tasks of the same target."""
    tasks = itertools.chain.from_iterable(variant.tasks for _, variant in points)
    namesakes = [_fields_of(other) for other in tasks if other.name == task.name]
    own = _fields_of(task)
    told = [name for name in own if len({other[name] for other in namesakes}) > 1]
    return task.name + "".join(f" {name}={own[name]}" for name in told)


def _fields_of(task: Task) -> dict[str, Any]:
    """All that a task says beside its name; of a data file its columns too."""
    fields = {name: getattr(task, name) for name in Task.model_fields if name != "target"}
    return fields | (dict(task.target) if isinstance(task.target, DataFile) else {})


def series_label(arm: str, axes: dict[str, Any], telling: Iterable[str]) -> str:
    """The arm's name, with the axis values that tell it from its siblings on the same task."""
    return arm + "".join(f" {path.rsplit('.', 1)[-1]}={axes[path]}" for path in telling)


def telling_axes(arm: str, task: Task, points: Variants) -> list[str]:
    """The axes that concern an arm and have more than one value on the task."""
    siblings = [other for other, variant in points if task in variant.tasks]
    recipes = {variant.arms[arm].recipe for _, variant in points}
    telling = []
    for path in siblings[0]:
        differs = len({canonical_json(other[path]) for other in siblings}) > 1
        if differs and concerns(path, arm, recipes):
            telling.append(path)
    return telling


def concerns(path: str, arm: str, recipes: Collection[str]) -> bool:
    """Whether a field of the file says how an arm that is trained by one of these recipes is built or trained."""
    match path.split("."):
        case ["tasks", *_]:
            return False
        case ["arms" | "window", name, *_]:
            return name == arm
        case ["recipes", name, *_]:
            return name in recipes
        case ["match", "solve", name]:
            return name in (arm, "*")
    return True


def budget_label(variant: Experiment, arm_name: str, asked: float | None) -> str:
    """Sizes crossed with training budgets are one series a budget: longer training is not a larger size."""
    return f" at {asked:.6g} FLOPs" if asked is not None and variant.arms[arm_name].sizes else ""
