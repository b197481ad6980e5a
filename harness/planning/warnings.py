"""What a plan cannot answer, or does in vain: said before anything trains, refused where nothing
could come of it.

Each check raises a HarnessError that names what to change.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from harness.base.errors import HarnessError, did_you_mean
from harness.spec.counts import END_TOLERANCE
from harness.spec.decide import Decide, side_label, units
from harness.spec.experiment import Experiment
from harness.spec.manifest import Cell, Manifest
from harness.tasks.table import some

# What the laws take (harness.laws.refusal), said again, as importing them takes a second; tests
# hold the two together.
LEAST_SIZES = 4  # of any law
ENOUGH_SIZES = 5  # of the law with a floor
MIN_DECADES = 0.5  # from the smallest to the largest
named = partial(some, most=3)  # of series or arms, in a sentence


class PlanWarning(NamedTuple):
    """In a few words, and as a sentence that says what to do."""

    brief: str
    sentence: str


def warnings_of(plan: Manifest) -> list[PlanWarning]:
    """What to know of a plan before it trains, the gravest first."""
    return list(itertools.chain(_of_arms(plan), _of_sizes(plan), _of_rules(plan), _of_runs(plan)))


def warnings_line(plan: Manifest) -> str:
    """All of them in short, with the command that says more; empty if there are none."""
    briefs = "; ".join(warning.brief for warning in warnings_of(plan))
    return f"warning: {briefs} (`harness validate FILE` says more)" if briefs else ""


def check_rules_can_be_judged(plan: Manifest) -> None:
    """A HarnessError if a rule needs laws, and no task has enough sizes of its arms for any."""
    for place, sentence in _rules_in_vain(plan):
        raise HarnessError(f"{place}: {sentence}")


def check_cells(experiment: Experiment, name: str, cells: Sequence[Cell]) -> None:
    """A HarnessError if nothing could be said of all cells, of an arm, or of a series."""
    series: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cell in cells:
        names[cell.task, cell.arm].add(cell.series)
        if not cell.infeasible and cell.in_window:
            series[cell.task, cell.series].append(cell)
    for (task, arm), of_arm in (
        names.items() if experiment.search else ()
    ):  # with more, a side has more than its share
        if len(of_arm) > 1:
            several = f"{arm} is {len(of_arm)} on {task} ({', '.join(sorted(of_arm))})"
            move = "let its space vary this, or make a file of each"
            raise HarnessError(
                f"grid: with search an arm is one series a task, and {several}; {move}"
            )
    for (task, series_name), of_series in series.items():
        if len(of_series) <= (count := of_series[0].hold_out):
            too_few = (
                f"{series_name} on {task} has {len(of_series)} sizes in its window, which "
                "leaves none to fit"
            )
            raise HarnessError(f"hold_out={count}: {too_few}; hold out fewer, or add sizes")
    feasible = {cell.arm for cell in cells if not cell.infeasible}
    if not feasible:
        reasons = list(
            dict.fromkeys(f"  {cell.task} {cell.series}: {cell.infeasible}" for cell in cells)
        )
        place = "match.at" if experiment.match else "arms"
        effort = ", or search.cap where it ends too soon" if experiment.search else ""
        remedy = f"change match.at to values named here, or raise match.tol{effort}"
        raise HarnessError(
            "\n".join([f"{place}: no cell of {name} is feasible; {remedy}:", *reasons[:6]])
        )
    for cell in cells:
        if cell.arm not in feasible:
            is_of_size = "nearest: " in str(cell.infeasible)
            place = "match.at" if is_of_size else f"arms.{cell.arm}"
            remedy = "choose budgets near these, raise match.tol, or " if is_of_size else ""
            problem = (
                f"{place}: arm {cell.arm!r} has no feasible cell on any task, so "
                "nothing can "
                "be said of it"
            )
            raise HarnessError(
                f"{problem}; on {cell.task}: {cell.infeasible}; {remedy}leave the arm out"
            )


def check_rules(
    experiment: Experiment,
    tasks: Mapping[str, tuple[str, int]],
    series: Collection[str],
    observed: Collection[str],
) -> None:
    """A HarnessError if a rule names what the plan lacks; `tasks` has the target and inputs of each
    task by label.
    """
    for index, rule in enumerate(experiment.decide):
        for name in rule.names:
            if name not in experiment.arms and name not in series:
                hint = did_you_mean(name, [*experiment.arms, *series])
                raise HarnessError(
                    f"decide.{index}.sides: {name!r} is no series of this plan; {hint}"
                )
        if rule.observed and rule.observed not in observed:
            hint = did_you_mean(rule.observed, observed)
            raise HarnessError(f"decide.{index}.observed: no run records {rule.observed!r}; {hint}")
        try:
            counted = units(rule, tasks)
        except HarnessError as error:
            raise HarnessError(f"decide.{index}.{error}") from None
        if rule.at_least > len(counted):
            there = f"{len(counted)} {'families' if rule.takes.of_family else 'tasks'}"
            raise HarnessError(
                f"decide.{index}.at_least={rule.at_least}: there are {there}; ask for no more"
            )


# --------------------------------------------------------------------------------------------------
# arms
def _of_arms(plan: Manifest) -> Iterator[PlanWarning]:
    arms = list(plan.experiment.arms)
    if not plan.experiment.decide and len(arms) == 1:
        yield PlanWarning(
            "one arm", f"{arms[0]} is the only arm, so nothing is compared; add another under arms:"
        )
    elif not plan.experiment.decide and len(arms) > 2:
        brief = f"{len(arms)} arms and no rule"
        yield PlanWarning(
            brief,
            f"{brief} (decide:), so nothing will be concluded; say which are compared, such "
            "as\ndecide:\n"
            f"  - {{sides: [{arms[0]}, {arms[1]}], quantity: test_loss, threshold: 1, at_least: "
            "1, claim: "
            f"{arms[0]} is better}}",
        )
    infeasible = [cell for cell in plan.cells if cell.infeasible]
    said_or_feasible = {(cell.task, cell.arm) for cell in plan.cells if not cell.infeasible}
    for cell in infeasible:
        if (cell.task, cell.arm) not in said_or_feasible:
            said_or_feasible.add((cell.task, cell.arm))
            brief = f"{cell.arm} has no feasible cell on {cell.task}"
            yield PlanWarning(
                brief, f"{brief}, so nothing is compared with it there: {cell.infeasible}"
            )
    if 2 * len(infeasible) >= len(plan.cells):
        first = infeasible[0]
        brief = f"{len(infeasible):,} of {len(plan.cells):,} cells are infeasible"
        such_as = f"such as {first.series} on {first.task}: {first.infeasible}"
        yield PlanWarning(brief, f"{brief}, {such_as}. Change match.at, or raise match.tol")


# --------------------------------------------------------------------------------------------------
# sizes
def _axis(plan: Manifest) -> str:
    return plan.experiment.match.count_name if plan.experiment.match else "params.trainable"


def _fitted_sizes(plan: Manifest) -> dict[tuple[str, str, str], list[int]]:
    """Of each arm, task and series the sizes that laws are fitted to, ascending."""
    sizes: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for cell in plan.cells:
        of_series = sizes[cell.arm, cell.task, cell.series]
        if not cell.infeasible and cell.in_window:
            of_series.append(cell.counts[_axis(plan)])
    held_out = plan.experiment.hold_out
    return {
        name: sorted(of_series)[: len(of_series) - held_out] for name, of_series in sizes.items()
    }


def _of_sizes(plan: Manifest) -> Iterator[PlanWarning]:
    series_by_number: dict[int, list[str]] = defaultdict(list)
    short = []
    for (_, task, series), sizes in _fitted_sizes(plan).items():
        if 0 < len(sizes) < ENOUGH_SIZES:
            series_by_number[len(sizes)].append(f"{series} on {task}")
        if len(sizes) >= LEAST_SIZES and math.log10(sizes[-1] / sizes[0]) < MIN_DECADES:
            short.append(f"{series} on {task}: {sizes[0]:,} to {sizes[-1]:,}")
    for number, names in sorted(series_by_number.items()):
        sizes_words = f"{number} size" if number == 1 else f"{number} sizes"
        brief, outcome = f"{sizes_words}, no exponent", "no exponent will be fitted"
        if number >= LEAST_SIZES:
            brief, outcome = (
                f"{sizes_words}, a law without a floor",
                "only a law without a floor can be fitted",
            )
        elif len(plan.experiment.arms) > 1:
            outcome = "no exponent will be fitted, the comparison at equal size will"
        move = f"add sizes, up to {ENOUGH_SIZES} or more that are fitted"
        yield PlanWarning(brief, f"{sizes_words}: {outcome} ({named(names)}); {move}")
    if short:
        too_little = (
            f"sizes within a factor of {10**MIN_DECADES:.1f}, too little for an exponent "
            f"({named(short)})"
        )
        yield PlanWarning(
            "a short range of sizes, no exponent", f"{too_little}; add larger or smaller ones"
        )


# --------------------------------------------------------------------------------------------------
# rules
def _rules_in_vain(plan: Manifest) -> Iterator[tuple[str, str]]:
    """The place of each rule that needs laws where none can be fitted, and why."""
    most_sizes: dict[str, int] = defaultdict(int)
    for (arm, _, series), sizes in _fitted_sizes(plan).items():
        for name in (arm, series):
            most_sizes[name] = max(most_sizes[name], len(sizes))
    for index, rule in enumerate(plan.experiment.decide):
        for side in rule.arms_of_sides if rule.takes.of_laws else ():
            most = max(most_sizes[name] for name in side)
            if most < LEAST_SIZES:
                yield (
                    f"decide.{index}.quantity={rule.quantity}",
                    f"it is read off a curve, which takes {LEAST_SIZES} sizes or more, and "
                    f"{named(list(side))} has "
                    f"{most}; add sizes, or take another quantity",
                )


def _of_rules(plan: Manifest) -> Iterator[PlanWarning]:
    """Rules that need laws, and those that are read at a size which their first arm has not."""
    for place, sentence in _rules_in_vain(plan):
        yield PlanWarning(f"{place} cannot be judged", f"{place}: {sentence}")
    for index, rule in enumerate(plan.experiment.decide):
        if (
            rule.takes.at != "budget"
            or rule.axis not in (None, _axis(plan))
            or not isinstance(rule.place, float)
        ):
            continue
        tasks_by_problem: dict[str, list[str]] = defaultdict(list)
        for task in units(rule, plan.tasks):
            if problem := _not_a_size(plan, rule, rule.place, task):
                tasks_by_problem[problem].append(task)
        for problem, tasks in tasks_by_problem.items():
            place = f"decide.{index}.at"
            yield PlanWarning(
                f"{place} is no size", f"{place}: {problem} ({named(list(dict.fromkeys(tasks)))})"
            )


def _not_a_size(plan: Manifest, rule: Decide, budget: float, task: str) -> str:
    """Why a rule cannot be read at this budget, or that it is read between two; empty if its first
    arm has it.
    """
    names = rule.arms_of_sides[0]
    of_task = [cell for cell in plan.cells if cell.task == task and not cell.infeasible]
    cells = [cell for cell in of_task if cell.arm in names or cell.series in names]
    sizes = sorted(cell.counts[_axis(plan)] for cell in cells)
    if not sizes or any(abs(size / budget - 1) <= END_TOLERANCE for size in sizes):
        return ""
    if not plan.experiment.match and not rule.takes.of_networks and sizes[0] < budget:
        return ""  # the best network up to that size is read
    absent = f"{side_label(names)} has no network of size {budget:,.10g} in {_axis(plan)}"
    if not sizes[0] < budget < sizes[-1]:
        return (
            f"{absent}, so the rule cannot be judged; its sizes are {sizes[0]:,} to {sizes[-1]:,}"
        )
    below, above = (
        max(size for size in sizes if size < budget),
        min(size for size in sizes if size > budget),
    )
    if rule.takes.of_networks:
        return f"{absent}, so the rule cannot be judged; the nearest are {below:,} and {above:,}"
    is_a_budget = budget in [cell.asked for cell in cells]
    return "" if is_a_budget else f"{absent}, so it is read between {below:,} and {above:,}"


# --------------------------------------------------------------------------------------------------
# runs
def _of_runs(plan: Manifest) -> Iterator[PlanWarning]:
    if (
        len(plan.experiment.seeds) == 1
        and "seeds" not in plan.experiment.grid | plan.experiment.zip
    ):
        sentence = (
            "one seed: no interval will tell a difference from chance; add seeds, such as "
            "seeds: [0, 1, 2]"
        )
        yield PlanWarning("one seed, no interval", sentence)
    runs_of: dict[str, set[str]] = defaultdict(set)
    for planned in plan.runs:
        runs_of[plan.cells[planned.cell].arm].add(planned.run_id)
    arms_of: dict[frozenset[str], list[str]] = defaultdict(list)
    for arm, runs in runs_of.items():
        arms_of[frozenset(runs)].append(arm)
    for same in arms_of.values():
        if len(same) > 1:
            brief = f"{named(same)} are the same"
            yield PlanWarning(
                brief,
                f"{brief} arm: all their networks and trainings are equal; change or drop one",
            )
