"""What a whole plan must fulfil, once it is expanded; each function raises a HarnessError that names what to change."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from harness.base.errors import HarnessError, did_you_mean
from harness.spec import Cell, Experiment, units


def check_feasible(experiment: Experiment, name: str, cells: Sequence[Cell]) -> None:
    """A HarnessError with the first reasons if no cell has a network."""
    if not all(cell.infeasible for cell in cells):
        return
    reasons = list(dict.fromkeys(f"  {cell.task} {cell.series}: {cell.infeasible}" for cell in cells))
    place = "match.at" if experiment.match else "arms"
    effort = ", or search.cap where it ends too soon" if experiment.search else ""
    remedy = f"change match.at to values named here, or raise match.tol{effort}"
    raise HarnessError("\n".join([f"{place}: no cell of {name} is feasible; {remedy}:", *reasons[:6]]))


def check_one_series(cells: Iterable[Cell]) -> None:
    """A side has its runs on a task from one series of each arm: with more it would have more than its share."""
    series: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cell in cells:
        series[cell.task, cell.arm].add(cell.series)
    for (task, arm), names in series.items():
        if len(names) > 1:
            raise HarnessError(
                f"grid: with search an arm is one series a task, and {arm} is {len(names)} on {task} "
                f"({', '.join(sorted(names))}); let its space vary this, or make a file of each"
            )


def check_hold_out(cells: Iterable[Cell]) -> None:
    """Held out sizes must leave every series some to fit."""
    series: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if not cell.infeasible and cell.in_window:
            series[cell.task, cell.series].append(cell)
    for (task, name), found in series.items():
        if len(found) <= (count := found[0].hold_out):
            raise HarnessError(
                f"hold_out={count}: {name} on {task} has {len(found)} sizes in its window, which leaves none to fit; "
                "hold out fewer, or add sizes"
            )


def check_rules(experiment: Experiment, known: Mapping[str, tuple[str, int]], series: Collection[str]) -> None:
    """A HarnessError if a rule names what the plan lacks; `known` has the target and inputs of each task by label."""
    for index, rule in enumerate(experiment.decide):
        for name in rule.names:
            if name not in experiment.arms and name not in series:
                told = did_you_mean(name, [*experiment.arms, *series])
                raise HarnessError(f"decide.{index}.sides: {name!r} is no series of this plan; {told}")
        try:
            counted = units(rule, known)
        except HarnessError as error:
            raise HarnessError(f"decide.{index}.{error}") from None
        if rule.at_least > len(counted):
            what = "families" if rule.takes.of_family else "tasks"
            raise HarnessError(
                f"decide.{index}.at_least={rule.at_least}: there are {len(counted)} {what}; ask for no more"
            )
