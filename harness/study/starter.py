"""A first experiment file of one's own: `harness new`, from the command line and from Python.

It runs in minutes, can answer, and says in comments what to change: `starter.yaml.jinja` is the
file. The sizes and the cap are solved for, so that all arms meet every budget and the whole takes
minutes.
"""

import inspect
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code, user_module
from harness.count import count, run_flops
from harness.families import Network
from harness.families.module import SizeName
from harness.planning.plan import make_plan
from harness.planning.solve import build_network, solve
from harness.spec.budgets import by_count
from harness.spec.document import parse
from harness.spec.experiment import Experiment
from harness.spec.read import parse_experiment
from harness.spec.task import DataFile, RunTask, Task
from harness.study.folders import EXPERIMENTS, check_folder_name, full_name, shipped_files
from harness.tasks import TargetError, check_drawn, resolve
from harness.tasks.columns import Suggestion, suggest
from harness.tasks.reading import read_user_table
from harness.tasks.table import Table, is_number

SIZES = 5  # of a new file
BUDGETS = 3  # of training FLOPs
DECADE = 10.0  # its largest size over its smallest, and its last budget over its first
LARGEST_FIRST_SIZE = (
    64  # of the smallest network; from there on a size in steps of one meets any budget
)
MOST_INPUTS = 10  # that a function is tried with
FUNCTION_POINTS = 500  # of a function, to train on
RARE = 0.1  # a share of the rows
HEAVY = 0.3  # of the squared error, owned by 1 % of the rows; of a normal target it is 0.08
FLOPS_OF_ALL = 1.0e12  # of all runs together, where they need no more: about a minute on two cores
LEAST_EVALUATIONS, MOST_EVALUATIONS = 10, 300  # of the largest network
SIGNIFICANT = 2  # digits of a budget
TRIED_ON = "exp2d"  # where nothing says what a module is to learn

Rival = Literal["kan", "mlp"]  # of a module of the user's own


class StarterTask(NamedTuple):
    """What is learnt, as the file says it, and what it is called.

    Of a table it has the columns that are inputs with how each is read, why the others are left
    out, and what to know of it.
    """

    task: Task
    run_task: RunTask
    words: str
    inputs: Sequence[str] = ()
    left_out: Mapping[str, str] = {}
    told: Sequence[str] = ()


class StarterArm(NamedTuple):
    """An arm of the file: its name, its words, the size that meets a budget, and the user's module
    that it is.
    """

    name: str
    words: str
    size: str = "width"
    module: str = ""


FAMILIES = (
    StarterArm("kan", "the KAN"),
    StarterArm("mlp", "the MLP"),
    StarterArm("spline_mlp", "the SPLINE_MLP"),
)


# --------------------------------------------------------------------------------------------------
# tasks
def function_task(reference: str, inputs: int | None) -> StarterTask:
    """A function of the user's own, of so many variables, or of the fewest that it can be called
    with.
    """
    user_module(reference, "function")
    for number in range(1, MOST_INPUTS + 1) if inputs is None else ():
        try:
            check_drawn(
                resolve(Task(target=reference, inputs=number, train_points=FUNCTION_POINTS)), 0
            )
        except TargetError:
            continue
        inputs = number
        break
    task = Task(target=reference, inputs=inputs or 1, train_points=FUNCTION_POINTS)
    return StarterTask(task, resolve(task), reference.partition(":")[2])


def data_task(path: Path, output: str, classes: bool, folder: Path) -> StarterTask:
    """A column of the user's table, learnt from all columns that can be; the path is relative to
    the file's folder.
    """
    table = read_user_table(path, output)
    suggestions = {name: suggest(table, name) for name in table.rows if name != output}
    if all(suggestion.left_out for suggestion in suggestions.values()):
        suggestions |= {
            name: Suggestion() for name, suggestion in suggestions.items() if suggestion.is_name
        }
    left_out = {
        name: suggestion.left_out for name, suggestion in suggestions.items() if suggestion.left_out
    }
    inputs = [name for name in suggestions if name not in left_out]
    if not inputs:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise HarnessError(
            f"data {path}: no column can be an input of {output} ({reasons}); mend one, or add one"
        )
    numbers = {
        name: suggestion.reading for name, suggestion in suggestions.items() if suggestion.reading
    }
    categories = [name for name, suggestion in suggestions.items() if suggestion.one_hot]
    encode: dict[str, Literal["one_hot"]] = dict.fromkeys(categories, "one_hot")
    as_written = suggest(table, output).reading
    if as_written and not classes:
        numbers = {output: as_written, **numbers}
    has_gaps = bool(table.rows[[*inputs, output]].isna().any(axis=None))
    file = DataFile(
        data=Path(os.path.relpath(path, folder)).as_posix(),
        output=output,
        leave_out=tuple(left_out) or None,
        numbers=numbers,
        encode=encode,
        missing="median" if has_gaps else None,
        classes=classes or None,
    )
    task = Task(target=file)
    readings = {**numbers, **encode}
    in_words = [f"{name} ({readings[name]})" if name in readings else name for name in inputs]
    run_task = resolve(task, folder)
    told = telling(table, output, bool(run_task.classes))
    return StarterTask(task, run_task, output, in_words, left_out, told)


def telling(table: Table, output: str, is_classes: bool) -> list[str]:
    """What to know of a table before anything trains: a heavy tail, rare classes, repeated rows; a
    sentence each.
    """
    rows, told = table.rows, []
    column = rows[output].dropna()
    if is_classes:
        shares = column.value_counts(normalize=True)
        if shares.iloc[-1] < RARE:
            told = [
                (
                    f"rare: {shares.iloc[-1]:.2g} of the rows are {shares.index[-1]}, so a "
                    "constant "
                    "has a low error too"
                )
            ]
    elif is_number(column):
        squares = np.sort((column.to_numpy(float) - column.mean()) ** 2)[::-1]
        share = squares[: max(len(squares) // 100, 1)].sum() / max(squares.sum(), 1e-300)
        if share > HEAVY:
            told = [
                f"heavy tail: 1 % of the rows own {share:.0%} of the squared error of {output}, "
                "and networks learn "
                "these alone; learn its logarithm, a column that you add, or take wrong values out"
            ]
    if repeated := int(rows.astype(str).duplicated().sum()):
        told.append(
            f"repeated: {repeated:,} of {len(rows):,} rows are copies of earlier ones; remove "
            "them, or keep them"
        )
    return told


# --------------------------------------------------------------------------------------------------
# the file
def module_arm(reference: str, rival: str) -> StarterArm:
    """An arm of the user's own module, which meets a budget by the integer that its constructor
    takes.

    It is called as its class is, unless that is the name of its rival.
    """
    module, name = user_module(reference, "module"), reference.partition(":")[2]
    with calling_user_code(f"module {reference}"):
        kind = getattr(module, name, None)
        keywords = list(inspect.signature(kind).parameters) if isinstance(kind, type) else []
    size = next((size for size in get_args(SizeName) if size in keywords), None)
    if size is None:
        raise HarnessError(
            f"module {reference}: give a class whose constructor takes inputs, outputs, and one of "
            f"{', '.join(get_args(SizeName))}, as docs/adding.md shows"
        )
    if name.lower() == rival:
        return StarterArm(f"my_{rival}", f"my {name}", size, reference)
    return StarterArm(name.lower(), name, size, reference)


def starter_text(
    name: str, task: StarterTask, folder: Path, module: str | None = None, rival: Rival = "kan"
) -> str:
    """The text of the file NAME.yaml in a folder; a HarnessError if it would not plan.

    It compares a module of the user's own with its rival, or else a KAN, an MLP and an MLP with
    splines.
    """
    is_of_squares = not (task.run_task.is_data_file or task.run_task.own_loss)
    is_smooth = module is None and is_of_squares  # where Levenberg-Marquardt reaches small errors
    arms = (
        (module_arm(module, rival), *(arm for arm in FAMILIES if arm.name == rival))
        if module
        else FAMILIES
    )
    folder_here = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder_here,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = _quoted
    pairs = list(itertools.combinations(arms, 2))
    fields = {"name": name, "learnt": task, "arms": arms, "pairs": pairs, "is_smooth": is_smooth}
    template = environment.get_template("starter.yaml.jinja")
    draft = parse_experiment(template.render(fields, sizes=[1], budgets=["1"]), f"{name}.yaml")
    sizes, largest = _sizes(draft, arms, task.run_task)
    assert draft.search
    (recipe,) = draft.recipes.values()
    once = recipe.model_copy(update={"max_evaluations": 1})
    work_of_one = run_flops(largest, once, task.run_task)[next(iter(by_count(draft.read_at)))]
    runs = len(arms) * len(sizes) * draft.search.runs * draft.search.replicates
    affordable = FLOPS_OF_ALL / (runs * work_of_one)
    last = work_of_one * min(max(affordable, LEAST_EVALUATIONS), MOST_EVALUATIONS)
    budgets = [last * DECADE ** (place / (BUDGETS - 1) - 1) for place in range(BUDGETS)]
    written = [f"{budget:.{SIGNIFICANT - 1}e}" for budget in budgets]
    text = template.render(fields, sizes=sizes, budgets=written)
    experiment = parse_experiment(text, f"{name}.yaml")
    for seed in experiment.seeds:
        check_drawn(task.run_task, seed)  # what no run could learn is named before there is a file
    make_plan(experiment, name, folder)
    return text


def _sizes(
    draft: Experiment, arms: Sequence[StarterArm], task: RunTask
) -> tuple[list[int], Network]:
    """Numbers of parameters over a decade of which all arms can use most, and the largest network
    of the first arm.

    They begin at a size of the first arm, the smallest that will do.
    """

    match = draft.match
    assert match
    axis = match.count_name

    def network(arm: StarterArm, value: int) -> Network:
        return build_network(
            draft.arms[arm.name].architecture, task.inputs, "arms", {arm.size: value}, task.outputs
        )

    def widths(arm: StarterArm, sizes: Sequence[int]) -> list[int]:
        solved = [
            solve(
                lambda value: count(network(arm, value))[axis],
                axis,
                size,
                match.tol,
                "width",
                at_most=True,
            )
            for size in sizes
        ]
        return [width for width in solved if isinstance(width, int)]

    for smallest in range(2, LARGEST_FIRST_SIZE):
        least = count(network(arms[0], smallest))[axis]
        sizes = [round(least * DECADE ** (place / (SIZES - 1))) for place in range(SIZES)]
        if all(len(widths(arm, sizes)) == SIZES for arm in arms):
            return sizes, network(arms[0], widths(arms[0], sizes)[-1])
    problem = f"no {SIZES} sizes over a factor of ten were found that all arms can have"
    raise HarnessError(
        f"{problem}; write match.at yourself, in a copy of an experiment of experiments/"
    )


def _quoted(text: str) -> str:
    """The text as a value in YAML, in quotes where it needs them."""
    try:
        read = parse(f"alone: {text}\nin_list: [{text}]", "").data
    except HarnessError:
        read = None
    is_plain = read == {"alone": text, "in_list": [text]}
    return text if is_plain else json.dumps(text, ensure_ascii=False)


# --------------------------------------------------------------------------------------------------
# new
class Starter(NamedTuple):
    """What a first file is of: a function or a column of a table that is learnt, a module, or a
    file that is copied.
    """

    function: str | None = None
    inputs: int | None = None
    data: Path | None = None
    target: str | None = None
    classes: bool = False
    module: str | None = None
    against: Rival | None = None
    source: str | None = None

    def check(self) -> None:
        """A HarnessError if these do not go together."""
        function, data, module, source = self.function, self.data, self.module, self.source
        if not (function or data or module or source):
            raise HarnessError(
                "say what to write: `function`, `data` with `target`, `module`, or `source`"
            )
        if function and data:
            raise HarnessError("`function`, `data`: one of them is learnt; leave the other out")
        if source and (function or data or module):
            raise HarnessError(f"`source` {source}: it is copied as it is; leave the others out")
        for field, value, needs, partner in (
            ("`inputs`", self.inputs, "`function`", function),
            ("`target`", self.target, "`data`", data),
            ("`classes`", self.classes or None, "`data`", data),
            ("`against`", self.against, "`module`", module),
        ):
            if value is not None and not partner:
                raise HarnessError(f"{field} goes with {needs}; give both, or leave {field} out")
        if data and not self.target:
            raise HarnessError(f"`data` {data}: say which column is learnt, `target` COLUMN")


def write_starter(name: Path, starter: Starter) -> tuple[Path, list[str]]:
    """Write NAME.yaml, and say what was chosen; a HarnessError if there is such a file that says
    something else.
    """
    path = name if name.suffix == ".yaml" else name.parent / f"{name.name}.yaml"
    check_folder_name(path)
    if not path.parent.is_dir():
        raise HarnessError(f"{path}: {path.parent} is no folder; make it, or choose another NAME")
    starter.check()
    text, chosen = _text_of(path, starter)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") != text:
            raise HarnessError(
                f"{path} is there already, and is not overwritten; choose another NAME"
            ) from None
    return path, chosen


def _text_of(path: Path, starter: Starter) -> tuple[str, list[str]]:
    """The file, and what was chosen for it, a sentence each."""
    if starter.source:
        shipped = shipped_files(EXPERIMENTS)
        name = full_name(starter.source, shipped, "`source` {}: no such experiment")
        return shipped[name].read_text(encoding="utf-8"), []
    chosen = []
    if starter.data:
        task = data_task(starter.data, str(starter.target), starter.classes, path.parent)
        chosen = [f"{starter.target} is learnt from {', '.join(task.inputs)}"]
        chosen += task.told
        if (
            isinstance(task.task.target, DataFile)
            and task.task.target.numbers.get(task.words) == "date"
        ):
            chosen += [
                (
                    f"{task.words} is a date: its days since 1970-01-01 are learnt, or say another "
                    "`target`"
                )
            ]
        chosen += [f"left out: {column}, {why}" for column, why in task.left_out.items()]
    elif starter.function:
        task = function_task(starter.function, starter.inputs)
    else:
        tried = Task(target=TRIED_ON, train_points=FUNCTION_POINTS)
        task = StarterTask(tried, resolve(tried), TRIED_ON)
    return starter_text(
        path.stem, task, path.parent, starter.module, starter.against or "kan"
    ), chosen
