"""The trials that each side of a rule chooses its winners from, by every way of searching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.comparison.choose import shares
from harness.spec import Cell, Experiment, Manifest
from harness.spec.search import Way


def ways_of(experiment: Experiment) -> tuple[Way | None, ...]:
    """All ways of searching: None for the search as it is declared, and those of `robust_to`."""
    return (None, *(experiment.robust_to.ways() if experiment.robust_to else ()))


def cells_of_sides(cells: Sequence[Cell], experiment: Experiment, way: Way | None) -> dict[tuple[str, ...], list[Cell]]:
    """The cells of a task that each side chooses from, of every size equally many for all sides.

    Chance gives a recipe to unequally many trials, so of each side only the first ones count, as many as the side with
    the fewest has.
    """
    by_size = {side: _by_size(_of_side(cells, experiment, side, way)) for side in experiment.sides}
    sizes: set[float | None] = set().union(*by_size.values())
    most = {size: min(len(own.get(size, ())) for own in by_size.values()) for size in sizes}
    found: dict[tuple[str, ...], list[Cell]] = {side: [] for side in by_size}
    for side, own in by_size.items():
        for size, of_size in own.items():
            found[side] += of_size[: most[size]]
    return found


def different_trials(search: Manifest) -> dict[tuple[str, ...], list[int]]:
    """Of each side, how many of its trials differ in network or recipe, at each size of each task.

    Small spaces make some trials equal. They are trained once.
    """
    runs_of: dict[int, list[str]] = defaultdict(list)
    for planned in search.runs:
        runs_of[planned.cell].append(planned.run_id)
    cells_by_task: dict[str, list[Cell]] = defaultdict(list)
    for cell in search.cells:
        cells_by_task[cell.task].append(cell)
    found: dict[tuple[str, ...], list[int]] = {side: [] for side in search.experiment.sides}
    for cells in cells_by_task.values():
        for side, own in cells_of_sides(cells, search.experiment, None).items():
            for of_size in _by_size(own).values():
                settings = {tuple(runs_of[cell.index]) for cell in of_size if not cell.infeasible}
                found[side].append(len(settings))
    return found


def _of_side(cells: Iterable[Cell], experiment: Experiment, side: Sequence[str], way: Way | None) -> list[Cell]:
    """Of each arm of a side as many trials as make the side's share of all."""
    search = experiment.trial_search
    assert search is not None
    trials = way.trials if way and way.trials else search.trials
    scramble = way.scramble if way and way.scramble is not None else search.scramble
    most = dict(zip(side, shares(trials, len(side)), strict=True))
    found = []
    for cell in cells:
        trial = cell.trial
        if trial is None or trial.scramble != scramble or (way and way.recipe and trial.recipe != way.recipe):
            continue
        if trial.number < most.get(cell.arm, 0):
            found.append(cell)
    return found


def _by_size(cells: Iterable[Cell]) -> dict[float | None, list[Cell]]:
    """Cells by size, the arms of a side in turn."""
    found: dict[float | None, list[Cell]] = {}
    for cell in sorted(cells, key=lambda one: trial_of(one)[::-1]):
        found.setdefault(cell.asked, []).append(cell)
    return found


def trial_of(cell: Cell) -> tuple[str, int]:
    """Which of its side's trials a cell is, whatever the size."""
    assert cell.trial is not None
    return cell.arm, cell.trial.number
