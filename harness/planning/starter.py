"""An experiment to begin with: a file that runs in minutes, can answer, and says in comments what to change.

The sizes and the cap are solved for, so that all arms meet every budget and the whole takes minutes.
"""

import inspect
import itertools
import json
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from string import Template
from typing import Literal, NamedTuple, get_args

from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code, user_module
from harness.count import count, run_flops
from harness.families import Architecture, Network
from harness.families.module import SizeName
from harness.planning.plan import make_plan
from harness.planning.solve import build_network, solve
from harness.spec import DataFile, Recipe, RunTask, Task, parse_experiment
from harness.spec.document import parse
from harness.tasks import TargetError, check_drawn, resolve
from harness.tasks.data_file import usable_columns

BUDGETS = 5
DECADE = 10.0
TOLERANCE = 0.2
LARGEST_FIRST_SIZE = 64  # of the smallest network; from there on a size in steps of one meets any budget
MOST_INPUTS = 10  # that a function is tried with
FUNCTION_POINTS = 500  # of a function, to train on
MOST_POINTS = 2000  # rows to train on: more take longer than a first look should
RUNS, REPLICATES = 8, 8
FLOPS_OF_ALL = 1.0e12  # of all runs together, where they need no more: about a minute on two cores
LEAST_EVALUATIONS, MOST_EVALUATIONS = 30, 300
SIGNIFICANT = 2  # digits of a cap

Rival = Literal["kan", "mlp"]  # of a module of the user's own

AXIS = "params.trainable"
WORK = "flops_train.shared_dense"

TEXT = Template("""\
# An experiment to begin with. `harness validate $name.yaml` checks it. `harness run $name.yaml` runs it, in a few
# minutes on two cores, and says which arm is better. docs/experiments.md says what each field means.
question: $question

tasks: # what is learnt
$task

arms: # what is compared. Run 0 of a search has an arm as it is written; its space is what the other runs vary
$arms

match: # a run has the largest network of its setting with at most so many parameters
  axis: params
  at: $budgets
  tol: $tolerance # and with no fewer than this share below
  solve: $solve # the integer that is chosen to meet a size

recipes:
  $recipe:
    optimizer: {name: $optimiser}
    max_evaluations: 10000 # the search caps a run before

search: # every arm trains equally many networks at every size, with equal work. Validation picks the best one
  runs: $runs
  replicates: $replicates # of the whole search, on data, settings and starts of their own: intervals are over these
  cap: # of a run's training FLOPs, one number a size; more trains longer
    flops_train.shared_dense: $cap

compare: $compare
decide: # the rule that answers the question, frozen before anything trains
  - claim: $words has the lower test error at the largest equal size
    quantity: test_loss
    sides: [$first, $second]
    threshold: 1
    at_least: 1
""")

KAN = "{family: kan, depth: 2, grid: 5}"
GAIN = "recipe.gain: {low: 0.5, high: 2.0, log: true}"
KAN_SPACE = ("architecture.grid: [3, 5, 10]", GAIN)
MLP = "{family: mlp, depth: 2, activation: silu}"
MLP_SPACE = ("architecture.depth: [2, 3]", "architecture.activation: [silu, tanh, relu]", GAIN)
SPLINE_MLP = "{family: spline_mlp, depth: 2, grid: 5, noise: 5}"
SPLINE_MLP_SPACE = ("architecture.place: [after, before]", "architecture.grid: [3, 5, 10]", GAIN)


class StarterTask(NamedTuple):
    """What is learnt: its entry of the file, in which data are relative to the file's folder, and its words.

    `told` are lines for the user: of a table, its inputs, and the columns that are left out.
    """

    entry: str
    what: str
    run_task: RunTask
    told: tuple[str, ...] = ()


class StarterArm(NamedTuple):
    """An arm of the file: its name, its words, what the file says of it, and the size that meets a budget."""

    name: str
    words: str
    fields: Sequence[str]
    size: str


# --------------------------------------------------------------------------------------------------------------- tasks
def function_task(reference: str, inputs: int | None) -> StarterTask:
    """A function of the user's own, of so many variables, or of the fewest that it can be called with."""
    user_module(reference, "--function")
    if inputs is None:
        inputs = next((number for number in range(1, MOST_INPUTS + 1) if _can_be_called(reference, number)), 1)
    run_task = resolve(Task(target=reference, inputs=inputs, train_points=FUNCTION_POINTS))
    fields = f"target: {_quoted(reference)}, inputs: {inputs}, train_points: {FUNCTION_POINTS}"
    entry = f"  - {{{fields}}} # on [-1, 1]; low: and high: say another box"
    return StarterTask(entry, reference.partition(":")[2], run_task)


def _can_be_called(reference: str, inputs: int) -> bool:
    try:
        check_drawn(resolve(Task(target=reference, inputs=inputs, train_points=FUNCTION_POINTS)), 0)
    except TargetError:
        return False
    return True


def data_task(path: Path, output: str, classes: bool, folder: Path) -> StarterTask:
    """A column of the user's table, learnt from all columns that can be; the entry says why others are left out."""
    inputs, left_out = usable_columns(path, output)
    if not inputs:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise HarnessError(f"--data {path}: no column can be an input of {output} ({reasons}); mend one, or add one")
    relative = Path(os.path.relpath(path, folder)).as_posix()
    table = DataFile(data=relative, output=output, inputs=tuple(inputs), classes=classes or None)
    run_task = resolve(Task(target=table), folder)
    lines = [
        "  - target:",
        f"      data: {_quoted(relative)}",
        f"      output: {_quoted(output)}",
        f"      inputs: [{', '.join(map(_quoted, inputs))}]",
        *(["      classes: true"] if classes else []),
        *(f"      # left out: {_quoted(name)}, {why}" for name, why in left_out.items()),
    ]
    if run_task.train_points > MOST_POINTS:
        lines.append(f"    train_points: {MOST_POINTS} # of {run_task.train_points:,}; leave it out to train on all")
        run_task = run_task.model_copy(update={"train_points": MOST_POINTS})
    dropped = [f"left out: {name}, {why}" for name, why in left_out.items()]
    told = (f"{output} is learnt from {', '.join(inputs)}", *dropped)
    return StarterTask("\n".join(lines), output, run_task, told)


def built_in_task(name: str) -> StarterTask:
    """A task of the project, on which a module is tried."""
    entry = f"  - {{target: {name}, train_points: {FUNCTION_POINTS}}} # of the KAN paper; put your own task here"
    return StarterTask(entry, name, resolve(Task(target=name, train_points=FUNCTION_POINTS)))


# ---------------------------------------------------------------------------------------------------------------- arms
def family_arm(name: str, architecture: str, space: Sequence[str], recipe: str) -> StarterArm:
    """An arm of a family of the project, which meets a budget by its width."""
    fields = [f"architecture: {architecture}", f"recipe: {recipe}", "space:", *(f"  {line}" for line in space)]
    return StarterArm(name, f"the {name.upper()}", fields, "width")


def family_arms(recipe: str) -> tuple[StarterArm, ...]:
    """A KAN, an MLP, and the MLP with splines that stands between them."""
    return (
        family_arm("kan", KAN, KAN_SPACE, recipe),
        family_arm("mlp", MLP, MLP_SPACE, recipe),
        family_arm("spline_mlp", SPLINE_MLP, SPLINE_MLP_SPACE, recipe),
    )


def module_arm(reference: str, recipe: str, other: str) -> StarterArm:
    """An arm of the user's own module, which meets a budget by the integer that its constructor takes.

    It is called as its class is, unless that is the name of the other arm.
    """
    module, name = user_module(reference, "--module"), reference.partition(":")[2]
    with calling_user_code(f"--module {reference}"):
        found = getattr(module, name, None)
        keywords = list(inspect.signature(found).parameters) if isinstance(found, type) else []
    sizes = [size for size in get_args(SizeName) if size in keywords]
    if not sizes:
        raise HarnessError(
            f"--module {reference}: give a class whose constructor takes inputs, outputs, and one of "
            f"{', '.join(get_args(SizeName))}, as docs/adding.md shows"
        )
    fields = [
        f"module: {_quoted(reference)}",
        f"size: {sizes[0]} # the keyword of its constructor that makes it larger",
        f"recipe: {recipe}",
        "space:",
        f"  {GAIN}",
    ]
    if name.lower() == other:
        return StarterArm(f"my_{other}", f"my {name}", fields, sizes[0])
    return StarterArm(name.lower(), name, fields, sizes[0])


# ------------------------------------------------------------------------------------------------------------ the file
def starter_text(name: str, task: StarterTask, folder: Path, module: str | None = None, rival: Rival = "kan") -> str:
    """The text of the file NAME.yaml in a folder; a HarnessError if it would not plan.

    It compares a module of the user's own with its rival, or else a KAN, an MLP and an MLP with splines.
    """
    is_smooth = module is None and not task.run_task.is_data_file  # where Levenberg-Marquardt reaches small errors
    recipe, optimiser = ("levenberg", "levenberg_marquardt") if is_smooth else ("lbfgs", "lbfgs")
    arms = family_arms(recipe)
    if module:
        arms = (module_arm(module, recipe, rival), next(arm for arm in arms if arm.name == rival))
    first, second, *_ = arms
    fields = {
        "name": name,
        "question": _quoted(f"Which learns {task.what} better, {first.words} or {second.words}?"),
        "task": task.entry,
        "arms": "\n\n".join("\n    ".join([f"  {_quoted(arm.name)}:", *arm.fields]) for arm in arms),
        "tolerance": TOLERANCE,
        "solve": f"{{{', '.join(f'{_quoted(arm.name)}: {arm.size}' for arm in arms)}}}",
        "recipe": recipe,
        "optimiser": optimiser,
        "runs": RUNS,
        "replicates": REPLICATES,
        "compare": _pairs([_quoted(arm.name) for arm in arms]),
        "first": _quoted(first.name),
        "words": first.words,
        "second": second.name,
    }
    draft = parse_experiment(TEXT.substitute(fields, budgets="[1]", cap="1"), f"{name}.yaml")
    networks = [_of_size(draft.arms[arm.name].architecture, arm.size, task.run_task) for arm in arms]
    budgets, largest = _budgets(networks)
    caps = [_rounded(work) for work in _caps(largest, len(arms), draft.recipes[recipe], task.run_task)]
    text = TEXT.substitute(fields, budgets=budgets, cap=f"[{', '.join(f'{work:.1e}' for work in caps)}]")
    experiment = parse_experiment(text, f"{name}.yaml")
    for seed in experiment.seeds:
        check_drawn(task.run_task, seed)  # what no run could learn is named before there is a file
    make_plan(experiment, name, folder)
    return text


def _pairs(names: Sequence[str]) -> str:
    """Every pair, as a list in YAML."""
    return f"[{', '.join(f'[{first}, {second}]' for first, second in itertools.combinations(names, 2))}]"


def _of_size(architecture: Architecture, size: str, task: RunTask) -> Callable[[int], Network]:
    """The network of an architecture by its size."""
    return lambda value: build_network(architecture, task.inputs, "arms", {size: value}, task.outputs)


def _budgets(networks: Sequence[Callable[[int], Network]]) -> tuple[list[int], list[Network]]:
    """Numbers of parameters over a decade of which all arms can use most, and the networks of the first arm with them.

    They begin at a size of the first arm, the smallest that will do.
    """
    counts = [partial(_count_at, network) for network in networks]
    for smallest in range(2, LARGEST_FIRST_SIZE):
        least = counts[0](smallest)
        budgets = [round(least * DECADE ** (place / (BUDGETS - 1))) for place in range(BUDGETS)]
        sizes = [
            [solve(count_at, AXIS, budget, TOLERANCE, "width", at_most=True) for budget in budgets]
            for count_at in counts
        ]
        if all(isinstance(size, int) for own in sizes for size in own):
            return budgets, [networks[0](size) for size in sizes[0] if isinstance(size, int)]
    raise HarnessError(
        f"no {BUDGETS} sizes over a factor of ten were found that all arms can have; write match.at yourself, in a "
        "copy of an experiment of experiments/"
    )


def _count_at(network: Callable[[int], Network], value: int) -> int:
    return count(network(value))[AXIS]


def _caps(networks: Sequence[Network], arms: int, recipe: Recipe, task: RunTask) -> list[float]:
    """Training FLOPs of a run at each size: equally many evaluations of these networks, as many as time allows."""
    one = recipe.model_copy(update={"max_evaluations": 1})
    of_one = [run_flops(network, one, task)[WORK] for network in networks]
    evaluations = FLOPS_OF_ALL / (arms * RUNS * REPLICATES * sum(of_one))
    allowed = min(max(evaluations, LEAST_EVALUATIONS), MOST_EVALUATIONS)
    return [allowed * work for work in of_one]


def _rounded(work: float) -> float:
    return round(work, SIGNIFICANT - 1 - math.floor(math.log10(work)))


def _quoted(text: str) -> str:
    """The text as a value in YAML, in quotes where it needs them."""
    try:
        read = parse(f"alone: {text}\nin_list: [{text}]", "").data
    except HarnessError:
        read = None
    is_plain = read == {"alone": text, "in_list": [text]}
    return text if is_plain else json.dumps(text, ensure_ascii=False)
