"""What the command line prints of plans, costs and fits: tables and sentences."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
from rich.table import Table

from harness.base.formats import duration
from harness.count import DEFAULT_WEIGHTS
from harness.fit import Fit
from harness.judging.scaling import SeriesFit
from harness.measure.calibration import Calibration, Calibrations, bench_command, missing
from harness.measure.cost import PredictionErrors
from harness.planning.match import Matched, Setting, ratios
from harness.planning.trials import WHOLE_RECIPE
from harness.show.words import exponent_words, loss_words
from harness.spec import Cell, Manifest, count_names, default_count
from harness.spec.counts import KINDS


def plan_table(manifest: Manifest) -> Table:
    """Every cell: what was asked, the network solved, what it achieves, or why it is infeasible."""
    match = manifest.experiment.match
    table = Table(title=f"plan of {manifest.name}: {manifest.experiment.question}", title_justify="left")
    for name in ("task", "arm", "network"):
        table.add_column(name, no_wrap=True)
    matched = [f"asked {match.count_name}", "achieved", "off"] if match else []
    for name in (*matched, *map(default_count, KINDS)):
        table.add_column(name, justify="right", overflow="fold")
    for cell in manifest.cells:
        names, asked, counts = _cell_row(cell)
        table.add_row(*names, *(asked if match else []), *counts, style="dim" if cell.infeasible else None)
    return table


def _cell_row(cell: Cell) -> tuple[list[str], list[str], list[str]]:
    """Names, what was asked and achieved, and counts."""
    asked = f"{cell.asked:,.6g}" if cell.asked is not None else ""
    series = cell.series
    if cell.trial:
        series += f" trial {cell.trial.number}, {cell.trial.recipe}, scramble {cell.trial.scramble}"
    if cell.infeasible:
        return [cell.task, series, "infeasible"], [asked, "", ""], [""] * 3
    network = cell.network
    words = network.words if network else ""
    counts = [f"{cell.counts[n]:,}" for n in (default_count("params"), default_count("flops_forward"))]
    achieved = f"{cell.achieved:,.6g}" if cell.achieved is not None else ""
    residual = f"{cell.residual:+.1%}" if cell.residual is not None else ""
    work = f"{cell.counts[default_count('flops_train')]:.2e}"
    return [cell.task, series, words], [asked, achieved, residual], [*counts, work]


def recipe_note(manifest: Manifest) -> str | None:
    """That arms of a search have different recipes to choose from, where one has a choice; else None."""
    arms_of: dict[tuple[str, ...], list[str]] = {}
    for name, space in manifest.spaces.items():
        choices = space.get(WHOLE_RECIPE, ())
        assert isinstance(choices, tuple)
        recipes = dict.fromkeys([manifest.experiment.arms[name].recipe, *choices])  # trial 0 has the arm's own
        arms_of.setdefault(tuple(sorted(recipes)), []).append(name)
    if len(arms_of) < 2 or max(map(len, arms_of)) < 2:
        return None
    told = "; ".join(f"{', '.join(arms)}: {', '.join(recipes)}" for recipes, arms in arms_of.items())
    return f"note: arms have different recipes to choose from ({told}); `search.recipes` gives all the same choice"


def packs_table(costs: pd.DataFrame) -> Table:
    """What each pack costs, as `harness.measure.cost.pack_predictions` says it."""
    table = Table(title="packs, the costliest first", title_justify="left")
    for name in costs:
        table.add_column(str(name), justify="right" if pd.api.types.is_numeric_dtype(costs[name]) else "left")
    for row in costs.itertuples(index=False):
        table.add_row(*("" if pd.isna(value) else _cell_text(value) for value in row))
    return table


def _cell_text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def match_table(matched: Sequence[Matched], setting: Setting) -> Table:
    """Arms side by side: what each was solved to, its count under every convention, and its ratio to the first arm."""
    title = f"matched on {setting.count_name} = {setting.budget:,.10g}; functions by the {DEFAULT_WEIGHTS} weights"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for index, one in enumerate(matched):
        table.add_column(one.arm, justify="right", overflow="fold")
        if index:
            table.add_column("÷ first", justify="right")
    for name, words in (
        ("network", [one.network.words for one in matched]),
        ("solved for", [f"{one.free}={one.value:,}" for one in matched]),
        ("off the budget", [f"{one.counts[setting.count_name] / setting.budget - 1:+.1%}" for one in matched]),
    ):
        table.add_row(name, words[0], *(text for word in words[1:] for text in (word, "")))
    last_axis = None
    counted = {name for one in matched for name in one.counts}
    known = [*count_names(), *sorted(counted.difference(count_names()))]
    for name in (name for name in known if name in counted):
        table.add_section() if name.split(".")[0] != last_axis else None
        last_axis = name.split(".")[0]
        row = [_count(matched[0], name)]
        for other in matched[1:]:
            ratio = ratios(matched[0], other).get(name)
            row += [_count(other, name), f"{ratio:.3g}" if ratio is not None else "-"]
        table.add_row(name, *row, style="bold" if name == setting.count_name else None)
    return table


def _count(one: Matched, name: str) -> str:
    return f"{one.counts[name]:,}" if name in one.counts else "-"


def cost_words(seconds: float, workers: int, never_timed: int, shapes: int) -> str:
    """What a sweep will take: seconds, minutes or hours, and how many of its shapes that was only estimated of."""
    coarse = f"; {never_timed} of {shapes} shapes by a rate: `harness bench FILE` times them" if never_timed else ""
    return f"about {duration(seconds)} on {workers} workers (calibrated{coarse})"


def uncalibrated_words(manifest: Manifest, calibrations: Calibrations) -> str:
    """Why it is not known how many seconds a sweep takes, and what to do about it."""
    if manifest.experiment.device != "cpu":
        return "seconds: uncalibrated (only CPUs are measured)"
    kinds = missing(calibrations, (planned.run for planned in manifest.runs))
    commands = " and ".join(f"`{bench_command(kind)}`" for kind in kinds)
    return f"seconds: uncalibrated ({commands} measure{'' if len(kinds) > 1 else 's'} this machine)"


def calibration_sentence(calibration: Calibration) -> str:
    """What was timed, and the rate of what was not."""
    shapes, rate = len(calibration.solo), calibration.evaluation_rate
    kind = f"{calibration.engine} on {calibration.device}, {calibration.dtype}, one thread"
    return (
        f"{kind}: {shapes} shapes timed alone; an evaluation of another one is taken for {rate.seconds:.1e} s and "
        f"{1 / rate.flops_per_second:.1e} s a FLOP"
    )


def errors_sentence(errors: PredictionErrors) -> str:
    """How well the seconds of a sweep's packs were predicted."""
    within = round(errors.within_two * errors.number)
    return (
        f"predicted / measured CPU seconds: {within} of {errors.number} packs within a factor of 2 "
        f"({errors.within_two:.0%}), median {errors.median:.2f}, worst {errors.worst:.2f}"
    )


def fits_table(fits: Sequence[SeriesFit], axes: Sequence[str]) -> Table:
    """Exponents with intervals on `axes`, or the refusal in their place."""
    loss = loss_words(one.metric for one in fits)
    table = Table(title=f"{loss} = E + A x^-alpha, on size means in log space", title_justify="left")
    for name in ("task", "arm", "axis"):
        table.add_column(name, no_wrap=True)
    table.add_column("sizes", justify="right")
    table.add_column("alpha, E = 0", justify="right")
    table.add_column("alpha, E free", justify="right")
    table.add_column("E", justify="right")
    table.add_column("notes", overflow="fold")
    last_task = None
    for pure, floor in _both_laws(fits, axes):
        table.add_section() if last_task not in (None, pure.task) else None
        last_task = pure.task
        table.add_row(
            pure.task, pure.series, pure.axis, *_law_cells(pure.fit, floor.fit), "; ".join(notes(pure, floor))
        )
        if pure.without_window and floor.without_window:
            table.add_row("", "", "  without the window", *_law_cells(pure.without_window, floor.without_window))
    return table


def _both_laws(fits: Sequence[SeriesFit], axes: Sequence[str]) -> list[tuple[SeriesFit, SeriesFit]]:
    """The law without a floor and the one with a floor of every series on `axes`."""
    laws = {(one.task, one.series, one.axis, one.fit.law): one for one in fits if one.axis in axes}
    return [(one, laws[one.task, one.series, one.axis, "floor"]) for one in laws.values() if one.fit.law == "pure"]


def _law_cells(pure: Fit, floor: Fit) -> list[str]:
    height = f"{floor.floor:.1e}" if floor.floor is not None else ""
    return [str(len(pure.points.sizes)), exponent_words(pure), exponent_words(floor), height]


def notes(pure: SeriesFit, floor: SeriesFit) -> list[str]:
    """The warnings of both laws, and the runs that are not in them."""
    found: list[str] = list(dict.fromkeys(warning.code for one in (pure, floor) for warning in one.fit.warnings))
    if pure.outside:
        found.append(f"{pure.outside} runs outside the window")
    if pure.held_out:
        count = len(pure.held_out.measured.sizes)
        found.append(f"{count} {'size' if count == 1 else 'sizes'} held out")
    if pure.diverged:
        found.append(f"{pure.diverged} runs diverged")
    return found


class HeldOutRow(NamedTuple):
    """A size that was held out: what was measured, and what each law predicted; or, last, the errors over all sizes."""

    task: str
    series: str
    axis: str
    size: str
    measured: str
    pure: str
    floor: str


def held_out_rows(
    fits: Sequence[SeriesFit], axes: Sequence[str], number: Callable[[float, int], str]
) -> list[list[HeldOutRow]]:
    """The rows of every series on `axes` of which sizes were held out; `number(value, digits)` writes sizes, losses."""
    return [_held_out_rows(*laws, number) for laws in _both_laws(fits, axes) if laws[0].held_out]


def _held_out_rows(pure: SeriesFit, floor: SeriesFit, number: Callable[[float, int], str]) -> list[HeldOutRow]:
    assert pure.held_out is not None
    measured, baseline = pure.held_out.measured, pure.held_out.last_value_rmsle
    names = (pure.task, pure.series, pure.axis)
    rows = []
    for index, (size, mean) in enumerate(zip(measured.sizes, measured.means, strict=True)):
        predictions = (_predicted(law, index, number) for law in (pure, floor))
        rows.append(HeldOutRow(*names, number(size, 4), number(mean, 3), *predictions))
    last = f"last value: RMSLE {baseline:.2g}" if baseline is not None else ""
    return [*rows, HeldOutRow(*names, "all", last, _rmsle(pure), _rmsle(floor))]


def _predicted(law: SeriesFit, index: int, number: Callable[[float, int], str]) -> str:
    """`value [low, high] within` or `missed`; elsewhere why there is no prediction, in a word."""
    found = law.held_out.prediction if law.held_out else None
    if found is None:
        return exponent_words(law.fit) if law.fit.refusals else "no prediction"
    low, high = number(found.low[index], 2), number(found.high[index], 2)
    return f"{number(found.curve[index], 3)} [{low}, {high}] {'within' if found.within[index] else 'missed'}"


def _rmsle(law: SeriesFit) -> str:
    return f"RMSLE {law.held_out.prediction.rmsle:.2g}" if law.held_out and law.held_out.prediction else ""


def held_out_table(fits: Sequence[SeriesFit], axes: Sequence[str]) -> Table | None:
    """The sizes that were held out: test loss as measured, and as the laws predicted it; None if none were."""
    groups = held_out_rows(fits, axes, lambda value, digits: f"{value:,.{digits}g}")
    if not groups:
        return None
    loss = loss_words(one.metric for one in fits)
    table = Table(title=f"sizes held out of the fits: {loss}, measured and predicted", title_justify="left")
    for name in ("task", "arm", "axis"):
        table.add_column(name, no_wrap=True)
    for name in ("size", "measured", "predicted, E = 0", "predicted, E free"):
        table.add_column(name, justify="right")
    for first, *others in groups:
        table.add_section()
        table.add_row(*first)
        for row in others:
            table.add_row("", "", "", *row[3:])
    return table
