"""The surface of a search with budgets: test loss over sizes, a curve for each budget."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.base.formats import human
from harness.judging.winners import LOSS, VALIDATION, candidates, of_side
from harness.show.figures import labels
from harness.show.figures.series import Style, shaded
from harness.show.figures.theme import panel_grid, panel_height, side_by_side, themed
from harness.show.words import loss_word
from harness.spec.counts import axis_words
from harness.spec.decide import side_label
from harness.spec.manifest import Manifest

HEIGHT = 2.2  # inches, of a panel
MOST_TASKS = 4
PALEST, DARKEST = 0.6, -0.3  # curves of the first and the last budget


@themed
def surface_figure(
    manifest: Manifest,
    every: pd.DataFrame,
    sides: Sequence[Sequence[str]],
    styles: Mapping[str, Style],
    axis: str,
) -> Figure:
    """Of each size and budget the network that validation picks: the geometric mean of its test
    loss over replicates.

    `every` are the readings. The best size of a budget has a full mark.
    """
    match = manifest.experiment.match
    assert match
    tasks = list(dict.fromkeys(every["task"]))
    shown = [(task, side) for task in tasks[:MOST_TASKS] for side in sides]
    figure, panels = panel_grid(len(shown), side_by_side(len(sides)), panel_height(HEIGHT))
    all_curves = [
        surface(manifest, of_side(manifest, every, task, side), axis) for task, side in shown
    ]
    means_of: dict[str, list[np.ndarray]] = {}  # by task, so that its panels have one scale
    for (task, _), curves in zip(shown, all_curves, strict=True):
        means_of.setdefault(task, []).extend(losses.to_numpy() for losses in curves.values())
    for (task, side), curves, axes in zip(shown, all_curves, panels, strict=True):
        name, style = side_label(side), styles[side_label(side)]
        for place, (budget, losses) in enumerate(curves.items()):
            shade = PALEST + (DARKEST - PALEST) * place / max(len(curves) - 1, 1)
            sizes, means, colour = (
                losses.index.to_numpy(),
                losses.to_numpy(),
                shaded(style.colour, shade),
            )
            axes.plot(
                sizes, means, style.marker, ls="-", color=colour, mfc="white", label=human(budget)
            )
            axes.plot(sizes[[means.argmin()]], means[[means.argmin()]], style.marker, color=colour)
        sizes = np.unique(np.concatenate([losses.index.to_numpy() for losses in curves.values()]))
        axes.set(
            xscale="log",
            yscale="log",
            title=f"{task}: {name}",
            xlabel=f"{axis_words(match.count_name)}, at most",
        )
        axes.set(
            xlim=labels.padded(sizes, 0.06),
            ylim=labels.padded(np.concatenate(means_of[task]), 0.08),
        )
        for of_axes in (axes.xaxis, axes.yaxis):
            labels.set_ticks(of_axes, is_small=True)
        axes.set_ylabel(loss_word(str(every["metric"].iloc[0])))
    labels.write_keys_below(figure, {axes: labels.drawn_keys([axes]) for axes in panels})
    notes = [f"A curve for each budget of {axis_words(axis)}. Full marks: the best size there."]
    notes += labels.undrawn_note(
        len(tasks) - MOST_TASKS, "tasks", "readings.csv.xz has all numbers"
    )
    labels.write_note(figure, notes)
    return figure


def surface(manifest: Manifest, readings: pd.DataFrame, axis: str) -> dict[float, pd.Series]:
    """By budget of a count, the geometric mean over replicates of the picked networks' test losses,
    by size.
    """
    curves = {}
    for budget in sorted(readings.loc[readings["axis"] == axis, "budget"].unique()):
        at_budget = candidates(manifest, readings, axis, budget)
        finite = at_budget[np.isfinite(at_budget[VALIDATION])]
        picked = finite.loc[finite.groupby(["asked", "seed"])[VALIDATION].idxmin()]
        curves[float(budget)] = np.exp(np.log(picked[LOSS]).groupby(picked["asked"]).mean())
    return curves
