"""Plans and what they cost: the cells, the packs, and arms that `harness match` made equal."""

import itertools
from collections.abc import Sequence

from harness.base.formats import NONE, human, number, plural
from harness.count import DEFAULT_WEIGHTS, count_of
from harness.planning.budgets import Place, sizes_read
from harness.planning.ladder import Ladder
from harness.planning.match import MatchedSaid, MatchSetting
from harness.planning.points import differences, varied_words
from harness.show.grouping import grouped
from harness.show.tables.table import (
    Piece,
    Styled,
    Table,
    TableCell,
    TableRow,
    TextStyle,
    span_words,
    table_of,
)
from harness.spec.counts import COUNT_KINDS, axis_short, axis_words, count_names, default_count
from harness.spec.manifest import Cell, Manifest
from harness.tasks.table import some


def plan_table(manifest: Manifest, in_full: bool = False) -> Table:
    """Every cell: what was asked, the network solved, what it achieves, or that it is infeasible.

    Networks are told in a few characters, or `in_full` in words.
    """
    if manifest.experiment.search:
        return _replicates_table(manifest)
    match = manifest.experiment.match
    called = axis_words if in_full else axis_short
    heads = ["task", "series", "network"]
    if match:
        heads += [f"#asked {called(match.count_name)}", "#achieved", "#off"]
    heads += [f"#{called(default_count(kind))}" for kind in COUNT_KINDS]
    rows = []
    for cell in manifest.cells:
        cells: list[TableCell] = [cell.task, cell.series, _network_words(cell, in_full)]
        if match:
            off = f"{cell.residual:+.1%}" if cell.residual is not None else NONE
            cells += [number(cell.asked, 8), number(cell.achieved, 8), off]
        if cell.counts:
            params, forward, train = (cell.counts[default_count(kind)] for kind in COUNT_KINDS)
            cells += [f"{params:,}", f"{forward:,}", human(train)]
        else:
            cells += [NONE] * len(COUNT_KINDS)
        rows.append(TableRow(tuple(cells), look="dim" if cell.infeasible else ""))
    return table_of(f"plan of {manifest.name}: {manifest.experiment.question}", heads, rows)


def _replicates_table(manifest: Manifest) -> Table:
    """Every cell of a search with replicates: how many runs and shapes it has, their sizes and
    their evaluations.
    """
    match, search = manifest.experiment.match, manifest.experiment.search
    assert match
    assert search
    runs_of = grouped(manifest.runs, lambda planned: planned.cell)
    size = axis_short(match.count_name)
    heads = ("task", "arm", f"#at most {size}", "#runs", "#shapes", f"#{size}", "#evaluations")
    rows = []
    for cell in manifest.cells:
        arm: list[Piece] = [cell.arm, *([Styled(" infeasible", "dim")] if cell.infeasible else [])]
        shapes, evaluations = set(), []
        for planned in runs_of.get(cell.index, ()):
            shapes.add(planned.run.network.begun_as())
            evaluations.append(planned.run.recipe.max_evaluations)
        sizes = span_words([count_of(shape, match.count_name) or 0 for shape in shapes])
        counts = f"{len(evaluations):,}", f"{len(shapes):,}"
        numbers = (number(cell.asked, 8), *counts, sizes, span_words(evaluations))
        rows.append(TableRow((cell.task, arm, *numbers), look="dim" if cell.infeasible else ""))
    title = (
        f"plan of {manifest.name}: {search.replicates} replicates of "
        f"{plural(search.runs, 'run')} a side and size"
    )
    return table_of(f"{title}: {manifest.experiment.question}", heads, rows)


def budgets_table(manifest: Manifest) -> Table:
    """A row a budget of training FLOPs: the sizes of each side that are read there, on every task
    or on some.
    """
    read = sizes_read(manifest)
    sides = list(dict.fromkeys(place.side for place in read))
    tasks_of: dict[tuple[str, ...], list[str]] = {}  # by the cells of a row beside the tasks
    for axis, budget, task in dict.fromkeys(
        (place.axis, place.budget, place.task) for place in read
    ):
        of_sides = [_read_words(read.get(Place(task, side, axis, budget), [])) for side in sides]
        tasks_of.setdefault((f"{human(budget)} {axis_short(axis)}", *of_sides), []).append(task)
    rows = [
        (budget, some(tasks, most=3), *of_sides) for (budget, *of_sides), tasks in tasks_of.items()
    ]
    return table_of("sizes that are read at each budget", ("#budget", "tasks", *sides), rows)


def _read_words(sizes: Sequence[tuple[float, bool]]) -> str:
    """The sizes at which there is a reading, as `30 to 120, 3 of 4`; a dash for none."""
    read = [size for size, is_read in sizes if is_read]
    if not read:
        return NONE
    ends = " to ".join(dict.fromkeys([number(read[0]), number(read[-1])]))
    return f"{ends}, {'all' if len(read) == len(sizes) else len(read)} of {len(sizes)}"


def _network_words(cell: Cell, in_full: bool) -> list[Piece]:
    words: list[Piece] = []
    if cell.network:
        words.append(cell.network.long_words if in_full else cell.network.words)
    if cell.infeasible:
        words.append(Styled("infeasible", "dim"))
    elif not cell.in_window:
        words.append(Styled("outside the window", "dim"))
    return words


def spaces_table(manifest: Manifest) -> Table:
    """A row an arm of a search: what varies, and how that differs from the standard space of its
    family.
    """
    rows = []
    for name, space in manifest.spaces.items():
        arm, beside = manifest.experiment.arms[name], "it is the standard one"
        if isinstance(arm.space, dict):  # what an arm cannot vary is no difference
            beside = differences(space, arm.architecture.standard_space)
        rows.append((name, "; ".join(varied_words(*axis) for axis in space.items()), beside))
    return table_of("", ("arm", "what varies", "beside its family's standard space"), rows)


def match_table(matched: Sequence[MatchedSaid], setting: MatchSetting) -> Table:
    """Arms side by side: what each was solved to, its count under every convention, and its ratio
    to the first arm.
    """
    counted = set(itertools.chain.from_iterable(arm.counts for arm in matched))
    conventions = [name for name in count_names() if name in counted]
    names = [*conventions, *sorted(counted.difference(conventions))]
    heads, columns = [""], [["network", "solved for", "off the budget", *names]]
    for arm in matched:
        size, value = next(iter(arm.solved.items()))
        counts = [f"{arm.counts[name]:,}" if name in arm.counts else NONE for name in names]
        heads.append(f"#{arm.arm}")
        columns.append([arm.network.words, f"{size}={value:,}", f"{arm.residual:+.1%}", *counts])
        if arm is not matched[0]:
            heads.append("#÷ first")
            columns.append(["", "", "", *(number(arm.ratio_to_first.get(name)) for name in names)])
    rows, last_axis = [], None
    for cells in zip(*columns, strict=True):
        axis = cells[0].partition(".")[0] if cells[0] in counted else None
        look: TextStyle = "strong" if cells[0] == setting.count_name else ""
        rows.append(TableRow(cells, look=look, begins_section=axis != last_axis))
        last_axis = axis
    title = (
        f"matched on {setting.count_name} = {setting.budget:,.10g}; functions by the "
        f"{DEFAULT_WEIGHTS} weights"
    )
    return table_of(title, heads, rows)


def ladder_table(ladder: Ladder) -> Table:
    """A row an arm and rung: its sizes, its counts and how far they are from the baseline's, and
    how long it trains.
    """
    numbers = (
        "#params",
        f"#forward/{ladder.unit}",
        f"#train/{ladder.unit}",
        "#steps",
        "#train FLOPs",
    )
    rows = []
    for rung in ladder.rungs:
        is_baseline = rung.arm == ladder.rungs[0].arm
        offs = ["" if is_baseline else f" ({off:+.1%})" for off in rung.residuals.values()]
        counts = [human(count) + off for count, off in zip(rung.counts.values(), offs, strict=True)]
        sizes = " ".join(f"{name}={value}" for name, value in rung.sizes.items())
        cells = (
            str(rung.rung) if is_baseline else "",
            rung.arm,
            sizes,
            *counts,
            rung.steps,
            human(rung.flops_run),
        )
        rows.append(TableRow(cells, begins_section=is_baseline))
    a_step = f"{ladder.batch:,} {ladder.unit}s a step"
    title = f"equal {ladder.axis}; FLOPs executed, train: forward, loss, backward; {a_step}"
    return table_of(title, ("rung", "arm", "sizes", *numbers), rows)
