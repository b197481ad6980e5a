"""What a plan cannot answer, or does in vain: said before anything trains, refused where nothing could come of it."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.laws.law import FLOOR, PURE
from harness.laws.refusal import MIN_DECADES, SPARE_SIZES
from harness.spec import END_TOLERANCE, Cell, Decide, Manifest, RunTask, side_label, units
from harness.tasks import is_reshaped

LEAST_SIZES = PURE.parameters + SPARE_SIZES  # of any law
ENOUGH_SIZES = FLOOR.parameters + SPARE_SIZES  # of the law with a floor
MOST_NAMED = 3  # of series or arms, in a sentence


class PlanWarning(NamedTuple):
    """In a few words, and as a sentence that says what to do."""

    brief: str
    sentence: str


def warnings_of(plan: Manifest) -> list[PlanWarning]:
    """What to know of a plan before it trains, the gravest first."""
    return [
        *_no_conclusion(plan),
        *_arms_without_cells(plan),
        *_half_infeasible(plan),
        *_too_few_sizes(plan),
        *_short_range(plan),
        *_rules_without_laws(plan),
        *_sizes_that_no_arm_has(plan),
        *_one_seed(plan),
        *_same_arms(plan),
        *_reshaped(plan),
    ]


def warnings_line(plan: Manifest) -> str:
    """All of them in short, with the command that says more; empty if there are none."""
    briefs = "; ".join(warning.brief for warning in warnings_of(plan))
    return f"warning: {briefs} (`harness validate FILE` says more)" if briefs else ""


def check_rules_can_be_judged(plan: Manifest) -> None:
    """A HarnessError if a rule needs laws, and no task has enough sizes of its arms for any."""
    for place, sentence in _rules_in_vain(plan):
        raise HarnessError(f"{place}: {sentence}")


# -------------------------------------------------------------------------------------------------------------- arms
def check_arms_have_cells(cells: Sequence[Cell]) -> None:
    """A HarnessError if an arm has no feasible cell on any task, so that nothing can be said of it."""
    feasible = {cell.arm for cell in cells if not cell.infeasible}
    for cell in cells:
        if cell.arm not in feasible:
            is_of_size = "nearest: " in str(cell.infeasible)
            place = "match.at" if is_of_size else f"arms.{cell.arm}"
            remedy = "choose budgets near these, raise match.tol, or " if is_of_size else ""
            raise HarnessError(
                f"{place}: arm {cell.arm!r} has no feasible cell on any task, so nothing can be said of it; on "
                f"{cell.task}: {cell.infeasible}; {remedy}leave the arm out"
            )


def _arms_without_cells(plan: Manifest) -> Iterator[PlanWarning]:
    feasible = {(cell.task, cell.arm) for cell in plan.cells if not cell.infeasible}
    said = set()
    for cell in plan.cells:
        name = (cell.task, cell.arm)
        if name not in feasible and name not in said:
            said.add(name)
            yield PlanWarning(
                f"{cell.arm} has no feasible cell on {cell.task}",
                f"{cell.arm} has no feasible cell on {cell.task}, so nothing is compared with it there: "
                f"{cell.infeasible}",
            )


def _half_infeasible(plan: Manifest) -> Iterator[PlanWarning]:
    infeasible = [cell for cell in plan.cells if cell.infeasible]
    if 2 * len(infeasible) >= len(plan.cells):
        first = infeasible[0]
        brief = f"{len(infeasible):,} of {len(plan.cells):,} cells are infeasible"
        yield PlanWarning(
            brief,
            f"{brief}, such as {first.series} on {first.task}: {first.infeasible}. Change match.at, or raise match.tol",
        )


def _no_conclusion(plan: Manifest) -> Iterator[PlanWarning]:
    arms = list(plan.experiment.arms)
    if plan.experiment.decide or len(arms) == 2:
        return
    if len(arms) == 1:
        yield PlanWarning("one arm", f"{arms[0]} is the only arm, so nothing is compared; add another under arms:")
        return
    rule = (
        f"- {{sides: [{arms[0]}, {arms[1]}], quantity: test_loss, threshold: 1, at_least: 1, claim: "
        f"{arms[0]} is better}}"
    )
    yield PlanWarning(
        f"{len(arms)} arms and no decide:",
        f"{len(arms)} arms and no decide:, so nothing will be concluded; say which are compared, such as\ndecide:\n"
        f"  {rule}",
    )


# ------------------------------------------------------------------------------------------------------------- sizes
def _fitted_sizes(plan: Manifest) -> dict[tuple[str, str, str], list[Cell]]:
    """Of each arm, task and series the cells that laws are fitted to, a cell a size."""
    sizes: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in plan.cells:
        found = sizes[cell.arm, cell.task, cell.series]
        if not cell.infeasible and cell.in_window:
            found.append(cell)
    return {name: _not_held_out(plan, of_series) for name, of_series in sizes.items()}


def _not_held_out(plan: Manifest, cells: list[Cell]) -> list[Cell]:
    ascending = sorted(cells, key=lambda cell: cell.counts[_axis(plan)])
    return ascending[: len(ascending) - plan.experiment.hold_out]


def _axis(plan: Manifest) -> str:
    return plan.experiment.match.count_name if plan.experiment.match else "params.trainable"


def _too_few_sizes(plan: Manifest) -> Iterator[PlanWarning]:
    series_by_number: dict[int, list[str]] = defaultdict(list)
    for (_, task, series), cells in _fitted_sizes(plan).items():
        if 0 < len(cells) < ENOUGH_SIZES:
            series_by_number[len(cells)].append(f"{series} on {task}")
    for number, names in sorted(series_by_number.items()):
        sizes = f"{number} size" if number == 1 else f"{number} sizes"
        if number >= LEAST_SIZES:
            outcome = "only a law without a floor can be fitted"
        elif len(plan.experiment.arms) > 1:
            outcome = "no exponent will be fitted, the comparison at equal size will"
        else:
            outcome = "no exponent will be fitted"
        yield PlanWarning(
            f"{sizes}, no exponent" if number < LEAST_SIZES else f"{sizes}, a law without a floor",
            f"{sizes}: {outcome} ({_named(names)}); add sizes, up to {ENOUGH_SIZES} or more that are fitted",
        )


def _short_range(plan: Manifest) -> Iterator[PlanWarning]:
    short = []
    for (_, task, series), cells in _fitted_sizes(plan).items():
        if len(cells) >= LEAST_SIZES:
            smallest, largest = cells[0].counts[_axis(plan)], cells[-1].counts[_axis(plan)]
            if math.log10(largest / smallest) < MIN_DECADES:
                short.append(f"{series} on {task}: {smallest:,} to {largest:,}")
    if short:
        yield PlanWarning(
            "a short range of sizes, no exponent",
            f"sizes within a factor of {10**MIN_DECADES:.1f}, too little for an exponent ({_named(short)}); add larger "
            "or smaller ones",
        )


def _rules_in_vain(plan: Manifest) -> Iterator[tuple[str, str]]:
    """The place of each rule that needs laws where none can be fitted, and why."""
    most_sizes: dict[str, int] = defaultdict(int)
    for (arm, _, series), cells in _fitted_sizes(plan).items():
        for name in (arm, series):
            most_sizes[name] = max(most_sizes[name], len(cells))
    for index, rule in enumerate(plan.experiment.decide):
        for side in rule.arms_of_sides if rule.takes.of_laws else ():
            most = max(most_sizes[name] for name in side)
            if most < LEAST_SIZES:
                yield (
                    f"decide.{index}.quantity={rule.quantity}",
                    f"it is read off a curve, which takes {LEAST_SIZES} sizes or more, and {_named(list(side))} has "
                    f"{most}; add sizes, or take another quantity",
                )


def _rules_without_laws(plan: Manifest) -> Iterator[PlanWarning]:
    for place, sentence in _rules_in_vain(plan):
        yield PlanWarning(f"{place} cannot be judged", f"{place}: {sentence}")


def _sizes_that_no_arm_has(plan: Manifest) -> Iterator[PlanWarning]:
    """Rules that are read at a size which their first arm has not."""
    tasks = plan.tasks
    for index, rule in enumerate(plan.experiment.decide):
        tasks_by_problem: dict[str, list[str]] = defaultdict(list)
        is_size = rule.takes.at == "budget" and rule.axis in (None, _axis(plan))
        for task in units(rule, tasks) if is_size and isinstance(rule.place, float) else ():
            if problem := _not_a_size(plan, rule, float(rule.place), task):
                tasks_by_problem[problem].append(task)
        for problem, of_tasks in tasks_by_problem.items():
            place = f"decide.{index}.at"
            yield PlanWarning(f"{place} is no size", f"{place}: {problem} ({_named(list(dict.fromkeys(of_tasks)))})")


def _not_a_size(plan: Manifest, rule: Decide, at: float, task: str) -> str:
    """Why a rule cannot be read at this size, or that it is read between two; empty if its first arm has it."""
    names = rule.arms_of_sides[0]
    own = [cell for cell in plan.cells if cell.task == task and cell.is_of(names)]
    cells = [cell for cell in own if not cell.infeasible]
    sizes = sorted(cell.counts[_axis(plan)] for cell in cells)
    if not sizes or any(abs(size / at - 1) <= END_TOLERANCE for size in sizes):
        return ""
    if not plan.experiment.match and not rule.takes.of_networks and sizes[0] < at:
        return ""  # the best network up to that size is read
    absent = f"{side_label(names)} has no network of size {at:,.10g} in {_axis(plan)}"
    if not sizes[0] < at < sizes[-1]:
        return f"{absent}, so the rule cannot be judged; its sizes are {sizes[0]:,} to {sizes[-1]:,}"
    below, above = max(size for size in sizes if size < at), min(size for size in sizes if size > at)
    if rule.takes.of_networks:
        return f"{absent}, so the rule cannot be judged; the nearest are {below:,} and {above:,}"
    return "" if at in [cell.asked for cell in cells] else f"{absent}, so it is read between {below:,} and {above:,}"


# -------------------------------------------------------------------------------------------------------------- runs
def _one_seed(plan: Manifest) -> Iterator[PlanWarning]:
    if len(plan.experiment.seeds) == 1 and not {"seeds"} & {*plan.experiment.grid, *plan.experiment.zip}:
        yield PlanWarning(
            "one seed, no interval",
            "one seed: no interval will tell a difference from chance; add seeds, such as seeds: [0, 1, 2]",
        )


def _same_arms(plan: Manifest) -> Iterator[PlanWarning]:
    runs_of: dict[str, set[str]] = defaultdict(set)
    for planned in plan.runs:
        runs_of[plan.cells[planned.cell].arm].add(planned.run_id)
    arms_of: dict[frozenset[str], list[str]] = defaultdict(list)
    for arm, runs in runs_of.items():
        arms_of[frozenset(runs)].append(arm)
    for same in arms_of.values():
        if len(same) > 1:
            yield PlanWarning(
                f"{_named(same)} are the same",
                f"{_named(same)} are the same arm: all their networks and trainings are equal; change or drop one",
            )


def _reshaped(plan: Manifest) -> Iterator[PlanWarning]:
    tasks: dict[str, RunTask] = {planned.run.task.target: planned.run.task for planned in plan.runs}
    for target, task in tasks.items():
        if is_reshaped(task):
            yield PlanWarning(
                f"{target} is reshaped",
                f"target {target} returns values of shape (n, 1); they are reshaped to (n,), a value a point",
            )


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
