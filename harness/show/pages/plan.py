"""The plan of a report: fit windows, what was matched, and every cell."""

from dataclasses import dataclass

from harness.base.formats import human
from harness.show.tables.plans import plan_table
from harness.show.tables.table import Table
from harness.spec import Manifest, axis_words


@dataclass(frozen=True)
class PlanPart:
    """Fit windows, and what was matched and could not be, in words; and every cell."""

    windows: tuple[str, ...]
    solved_for: str
    infeasible: tuple[str, ...]
    cells: Table


def plan_part(manifest: Manifest, loss: str) -> PlanPart:
    """Of the plan as it was frozen."""
    windows = {(cell.task, cell.arm): cell.window for cell in manifest.cells if cell.window}
    told = []
    for (task, arm), window in windows.items():
        words = f"{arm} on {task}:"
        if window.min is not None or window.max is not None:
            words += f" {axis_words(window.axis)}"
        if window.min is not None:
            words += f" from {human(window.min)}"
        if window.max is not None:
            words += f" up to {human(window.max)}"
        if window.until is not None:
            words += f" up to the size with the least mean {loss}, found on each axis after the run"
        told.append(words)
    match = manifest.experiment.match
    solved = [f"{size} ({'every arm' if arm == '*' else arm})" for arm, size in match.solve.items()] if match else []
    infeasible = [cell for cell in manifest.cells if cell.infeasible]
    return PlanPart(
        windows=tuple(told),
        solved_for=", ".join(solved),
        infeasible=tuple(f"{cell.task}, {cell.series}: {cell.infeasible}" for cell in infeasible),
        cells=plan_table(manifest, in_full=True),
    )
