"""The plan of a report: fit windows, what was matched, and every cell."""

from dataclasses import dataclass

from harness.base.formats import human
from harness.families.space import Space
from harness.planning.spaces import differences, varied_words
from harness.show.tables.plans import plan_table
from harness.show.tables.table import Table, table_of, text_columns
from harness.spec import Arm, Manifest, axis_words


@dataclass(frozen=True)
class PlanPart:
    """What the search varies; fit windows, and what was matched and could not be, in words; and every cell."""

    spaces: Table | None
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
        spaces=_spaces_table(manifest) if manifest.spaces else None,
        windows=tuple(told),
        solved_for=", ".join(solved),
        infeasible=tuple(f"{cell.task}, {cell.series}: {cell.infeasible}" for cell in infeasible),
        cells=plan_table(manifest, in_full=True),
    )


def _spaces_table(manifest: Manifest) -> Table:
    arms = manifest.experiment.arms
    rows = []
    for name, space in manifest.spaces.items():
        varied = "; ".join(varied_words(*axis) for axis in space.items())
        rows.append((name, varied, _of_standard(arms[name], space)))
    return table_of("", text_columns("arm", "what varies", "beside its family's standard space"), rows)


def _of_standard(arm: Arm, space: Space) -> str:
    """How the space of an arm differs from its family's; what the arm cannot vary is no difference."""
    if isinstance(arm.space, dict):
        return differences(space, arm.architecture.standard_space)
    return "it is the standard one"
