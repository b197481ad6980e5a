"""What is learnt: targets with their source, and the samples drawn from them. Float64, numpy and
scipy only.
"""

import difflib
import pkgutil
from importlib import import_module
from pathlib import Path

from harness.spec.task import RunTask, Task, TextFile
from harness.tasks.corpora import read_text
from harness.tasks.function import Function, load_user_target, values
from harness.tasks.keeping import fetch_data, keep_data, know, known_data
from harness.tasks.loss import CROSS_ENTROPY, SQUARES, Equation, Loss
from harness.tasks.reading import read_data_file
from harness.tasks.samples import Samples, Scaling, Splits, domain_points, phases_of, scaled, stream
from harness.tasks.target import Named, Target, TargetError

CURVE_POINTS = 1000  # of a learning curve, whose errors only show how training went
NEAREST = 3  # names that are offered for one that is not there

TASKS: dict[str, Named] = {}  # of all files here
for _file in pkgutil.iter_modules(__path__):
    TASKS |= getattr(import_module(f"{__name__}.{_file.name}"), "TASKS", {})


def is_data(reference: str) -> bool:
    """Whether a task of that name is learnt from data, in place of a function on a box."""
    return reference in TASKS and TASKS[reference].is_data


def curve_points(task: RunTask, points: int) -> int:
    """How many of a split's points a learning curve reads: of functions on a box and sequences the
    first, else all.
    """
    is_drawn_anew = not (task.is_pde or task.is_data_file or is_data(task.target))
    return min(points, CURVE_POINTS) if is_drawn_anew else points


def load_target(reference: str, inputs: int | None = None, instance: int = 0) -> Target:
    """The built-in target of that name, a member of a family, a data set, or the user's
    `package.module:function`.
    """
    built_in = TASKS.get(reference)
    if instance and not (built_in and built_in.has_instances):
        families = ", ".join(name for name, task in TASKS.items() if task.has_instances)
        raise TargetError(
            f"target {reference}: instance={instance} is of families ({families}); leave it out"
        )
    if ":" in reference:
        return load_user_target(reference, inputs)
    if built_in is None:
        near = difflib.get_close_matches(reference, TASKS, n=NEAREST, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise TargetError(
            f"target {reference!r}: no such task; {hint}docs/tasks.md lists all {len(TASKS)}; "
            f"a function of your own is package.module:function"
        )
    return built_in.target(reference, inputs, instance)


def target_of(task: Task, folder: Path) -> Target:
    """What a task learns, which is then known if it is of a file, whose path is relative to
    `folder`.
    """
    if isinstance(task.target, str):
        return load_target(task.target, task.inputs, task.instance)
    if isinstance(task.target, TextFile):
        text = read_text(task.target, folder)
        know(text)
        return text
    if task.instance:
        raise TargetError(
            f"target {task.name}: instance={task.instance} is of families of functions; leave "
            "it out"
        )
    data = read_data_file(task.target, folder)
    know(data)
    return data.target(task.name, task.inputs, 0)


def resolve(task: Task, folder: Path = Path()) -> RunTask:
    """The task with everything filled in that decides a run's numbers, and the fingerprint of its
    target.

    The path of a data file is relative to `folder`.
    """
    target = target_of(task, folder)
    for name, bound in (("low", task.low), ("high", task.high)):
        if isinstance(bound, tuple) and len(bound) != target.inputs:
            raise TargetError(
                f"{name} has {len(bound)} bounds, but {task.name} has {target.inputs} variables; "
                "give one a variable, or one for all"
            )
    if target.only_box and (task.low, task.high) != (-1, 1):
        field = "low" if task.low != -1 else "high"
        raise TargetError(f"{field}: target {task.name}: {target.only_box}; leave low and high out")
    for name, kind in {
        "boundary_points": "PDEs",
        "interior_weight": "PDEs",
        "context": "sequences",
    }.items():
        if getattr(task, name) is not None and name not in target.settings:
            those_with_it = ", ".join(
                target_name for target_name, named in TASKS.items() if name in named.settings
            )
            raise TargetError(
                f"{name}: it is of {kind} ({those_with_it}), and {task.name} is none; leave it out"
            )
    if task.label_noise and not target.can_be_noisy:
        raise TargetError(
            f"label_noise: {task.name} is no function of which values are learnt; leave it out"
        )
    return target.resolve(task)


def loss_of(task: RunTask) -> Loss:
    """What a run of the task minimises; no other place asks what kind of task it is."""
    if task.own_loss:
        return _target(task).loss
    if task.interior_weight:
        return Equation(task.train_points, task.interior_weight)
    return CROSS_ENTROPY if task.classes else SQUARES


def check_drawn(task: RunTask, seed: int) -> None:
    """A TargetError if the samples of `task` under `seed` cannot be learnt or the target's code has
    changed.
    """
    _target_of_run(task).check(task, seed)


def draw(task: RunTask, seed: int) -> Splits:
    """The samples of `task` under `seed`; a TargetError if they cannot be learnt or the target's
    code has changed.
    """
    return _target_of_run(task).draw(task, seed)


def _target(task: RunTask) -> Target:
    if task.is_data_file or task.is_text_file:
        return known_data(task)
    return load_target(task.target, None if task.vocabulary else task.inputs, task.instance)


def _target_of_run(task: RunTask) -> Target:
    target = _target(task)
    if target.version != task.fingerprint:
        kind = "data" if is_data(task.target) else "code"
        raise TargetError(
            f"target {task.target}: its {kind} changed since the plan was made; "
            "`harness plan FILE --replan` takes it as it is"
        )
    return target
