"""Fig. 3.4: what networks that learn five peaks in phases still know when the last phase is
over.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.families import FAMILIES, KanShape, MlpShape, Network
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.points import in_one_sentence, plain_name, point, with_outcomes
from harness.record.schema import Record
from harness.show.figures.labels import set_ticks, write_head
from harness.show.figures.series import INK, SPARE
from harness.show.figures.theme import LABEL_SIZE, figure_width, is_narrow, panel_grid, themed
from harness.show.tables.table import Table
from harness.tasks import Function, load_target, values

ITEM = "train RMSE after each phase"  # of the published table
RIGHT_AFTER, IN_THE_END = "right after its phase", "after the last phase"
RECIPES = ("paper", "later")  # the arms of which an error was published
DRAWN = (
    *RECIPES,
    "base_trained",
    "scale_trained",
    "hidden_5_coarse",
    "mlp_silu",
    "mlp_tanh",
)  # whose course is drawn


class OfArm(NamedTuple):
    """What came of an arm: its records in phases, and training RMSE, a value a seed, infinite if it
    diverged.

    These are means over phases, right after each and after the last one, and the error on all data
    at once. `times` is the median over seeds of the second over the first.
    """

    arm: str
    records: tuple[Record, ...]
    right_after: tuple[float, ...]
    in_the_end: tuple[float, ...]
    at_once: tuple[float, ...]
    times: float


def forgetting(runs: ReplayRuns, replay: Replay) -> Page:
    """The page: errors of every arm, phase by phase, and what is kept of them."""
    (text,) = load(replay.published[0]).query("item == @ITEM")["value"]
    published = float(text)  # the same after every phase
    in_phases = arms_of(runs)
    points = with_outcomes(pd.DataFrame(_points(in_phases, published)), replay.tolerance)
    return Page(
        points=points,
        figures=tuple(_pictures(in_phases, replay, published)),
        lead=(in_one_sentence(points, replay.arms),),
        tables=_kept_table(in_phases),
    )


# --------------------------------------------------------------------------------------------------
# our side
def arms_of(runs: ReplayRuns) -> list[OfArm]:
    """The arms of the experiment that have runs in phases here, in the order of its file."""
    errors = ["rmse_right_after", "rmse_in_the_end", "forgetting", "train_rmse"]
    chosen = runs.table[runs.table["chosen"]]
    chosen = chosen.assign(**chosen.reindex(columns=errors).fillna(math.inf))
    is_phased = chosen["run_id"].map(
        lambda run_id: runs.records[run_id].run.recipe.phases is not None
    )
    is_phased = is_phased.astype(bool)  # also where nothing was run
    arms = []
    for arm, rows in chosen[is_phased].groupby("arm", sort=False):
        arms.append(
            OfArm(
                arm=str(arm),
                records=tuple(runs.records[run_id] for run_id in rows["run_id"]),
                right_after=tuple(rows["rmse_right_after"]),
                in_the_end=tuple(rows["rmse_in_the_end"]),
                at_once=tuple(chosen.loc[~is_phased & (chosen["arm"] == arm), "train_rmse"]),
                times=rows["forgetting"].median(),
            )
        )
    return arms


def _points(arms: Sequence[OfArm], published: float) -> Iterator[dict]:
    """A row an arm, phase and moment; one for each recipe that was published and has not been
    run.
    """
    for name in RECIPES:
        if all(ours.arm != name for ours in arms):
            none = point(f"{name}, {RIGHT_AFTER}", math.nan, published, ())
            yield none | {"phase": None, "moment": RIGHT_AFTER}
    for ours in arms:
        for phase in range(ours.records[0].run.recipe.phases or 0):
            for moment, end in ((RIGHT_AFTER, phase), (IN_THE_END, -1)):
                errors = [
                    record.phases[end].rmse[phase] if record.phases else math.inf
                    for record in ours.records
                ]
                of_paper = published if ours.arm in RECIPES and moment == RIGHT_AFTER else math.nan
                row = point(f"peak {phase + 1}, {moment}", ours.arm, of_paper, errors)
                yield row | {"phase": phase + 1, "moment": moment}


# --------------------------------------------------------------------------------------------------
# tables
def _kept_table(arms: Sequence[OfArm]) -> tuple[Table, ...]:
    rows = []
    for ours in arms:
        right_after, in_the_end = (
            float(np.median(errors)) for errors in (ours.right_after, ours.in_the_end)
        )
        spread = f"{human(min(ours.in_the_end))} to {human(max(ours.in_the_end))}"
        at_once = float(np.median(ours.at_once)) if ours.at_once else None
        first = ours.records[0]
        network = _words(first.run.network), first.counts["params.trainable"]
        rows.append(
            (
                ours.arm,
                *network,
                right_after,
                in_the_end,
                f"{human(ours.times, 2)}x",
                spread,
                at_once,
            )
        )
    return page_tables("kept", rows)


def _words(network: Network) -> str:
    """`[1,1] G=200 k=3, base frozen`, `[1,16,16,1], silu`."""
    if isinstance(network, MlpShape):
        return f"{network.words}, {network.activation}"
    if not isinstance(network, KanShape):
        return network.words
    base = {True: "base trained", False: "no base", "frozen": "base frozen"}[network.base]
    return f"{network.words}, {base}" + (", scales trained" if network.scales else "")


# --------------------------------------------------------------------------------------------------
# figures
def _pictures(arms: Sequence[OfArm], replay: Replay, published: float) -> Iterator[Picture]:
    """Of the arms to be drawn the run whose error in the end is the median one; then the errors of
    all arms.
    """
    rows = []
    for ours in arms:
        runs = zip(ours.in_the_end, ours.records, strict=True)
        done = [
            (error, record) for error, record in runs if record.phases and record.phases[-1].outputs
        ]
        if ours.arm in DRAWN and done:
            _, record = sorted(done, key=lambda pair: pair[0])[len(done) // 2]
            rows.append(
                (f"{plain_name(ours.arm, replay.arms)}\n{_words(record.run.network)}", record)
            )
    if rows:
        yield picture("phases", "replay", partial(courses_figure, rows))
    errors = {
        plain_name(ours.arm, replay.arms): (ours.right_after, ours.in_the_end, ours.at_once)
        for ours in arms
    }
    yield picture("kept", "kept", partial(errors_figure, errors, published))


# --------------------------------------------------------------------------------------------------
# figures
COURSE_HEIGHT, LINE_HEIGHT = 0.95, 0.21  # inches, of a row
VALUES = (-0.45, 1.45)  # that a panel shows
TARGET_POINTS = 1001
NAME_COLUMNS = 16  # letters of a line beside a row of panels
TARGET_COLOUR, SHADE = "#777777", "#F0F0F0"
# Arms are the rows here, so that colours are of no family.
KEPT_LOOKS: dict[str, dict[str, Any]] = {
    "right after each phase": {"marker": "o", "mfc": "white", "mec": SPARE[1], "color": SPARE[1]},
    "after the last phase": {"marker": "o", "mfc": SPARE[0], "mec": SPARE[0], "color": SPARE[0]},
    "all data at once": {"marker": "x", "mfc": "none", "mec": INK, "color": INK},
}


@themed
def courses_figure(rows: Sequence[tuple[str, Record]]) -> Figure:
    """A row a run of one variable in phases, a column a phase; names on the left. Artists' gids:
    `course:row:phase`.
    """
    phases = len(rows[0][1].phases or ())
    height = COURSE_HEIGHT * (0.7 if is_narrow() else 1)
    figure, panels = panel_grid(len(rows) * phases, phases, height, sharex=True, sharey=True)
    for place, axes in enumerate(panels):
        row, phase = divmod(place, phases)
        name, record = rows[row]
        _course(axes, record, phase, f"course:{row}:{phase}")
        if is_narrow():
            axes.tick_params(labelbottom=False, labelleft=False)
            if phase == 0:
                axes.set_title(name.split("\n")[0], fontsize=LABEL_SIZE, pad=2)
            continue
        if row == 0:
            axes.set_title(f"after phase {phase + 1}", loc="center")
        if phase == 0:
            lines = [textwrap.fill(part, NAME_COLUMNS) for part in name.split("\n")]
            axes.set_ylabel(
                "\n".join(lines), rotation=0, ha="right", va="center", fontsize=LABEL_SIZE
            )
    return figure


def _course(axes: Axes, record: Record, phase: int, gid: str) -> None:
    assert record.phases
    ((low, high),) = record.run.task.box
    edges, x = np.linspace(low, high, len(record.phases) + 1), np.linspace(low, high, TARGET_POINTS)
    target = load_target(record.run.task.target, record.run.task.inputs)
    assert isinstance(target, Function)
    target_values = values(record.run.task.target, target, x[:, None])
    outputs, colour = record.phases[phase].outputs, FAMILIES[record.run.network.family].colour
    axes.axvspan(*edges[phase : phase + 2], color=SHADE, lw=0, zorder=0)
    axes.plot(x, target_values, color=TARGET_COLOUR, lw=0.6, zorder=1)
    axes.plot(
        np.linspace(low, high, len(outputs)), outputs, color=colour, lw=1.3, zorder=2, gid=gid
    )
    axes.set(ylim=VALUES, xlim=(low, high))


@themed
def errors_figure(errors: Mapping[str, tuple[Sequence[float], ...]], published: float) -> Figure:
    """A line an arm: its errors right after each phase, after the last one, and on all data at
    once, a value a seed.
    """
    figure, (axes,) = panel_grid(1, 1, LINE_HEIGHT * len(errors) + 0.7)
    figure.set_figwidth(figure_width(2))
    for place, of_arm in enumerate(errors.values()):
        for look, of_seeds in zip(KEPT_LOOKS.values(), of_arm, strict=True):
            _spread(axes, place, np.array(of_seeds), look)
        first, last = (np.median(of_arm[index]) for index in (0, 1))
        if np.isfinite([first, last]).all():
            axes.plot([first, last], [place, place], color="#BBBBBB", lw=0.8, zorder=1)
    dashed: dict[str, Any] = {"color": INK, "lw": 0.7, "ls": (0, (4, 2))}
    axes.axvline(published, zorder=0, **dashed)
    axes.set(
        xscale="log", xlabel="training RMSE", yticks=range(len(errors)), yticklabels=list(errors)
    )
    axes.set_ylim(len(errors) - 0.4, -0.6)
    set_ticks(axes.xaxis)
    handles = [
        Line2D([], [], ls="none", ms=4, label=name, **look) for name, look in KEPT_LOOKS.items()
    ]
    handles.append(Line2D([], [], label="published", **dashed))
    write_head(figure, handles, columns=4, place="outside lower left")
    return figure


def _spread(axes: Axes, place: int, values: np.ndarray, look: dict[str, Any]) -> None:
    """The median, and a bar from the best to the worst; infinite ones are not there."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    axes.hlines(place, finite.min(), finite.max(), color=look["color"], lw=1, alpha=0.6, zorder=2)
    if np.isfinite(middle := np.median(values)):
        axes.plot([middle], [place], ls="none", ms=4, mew=1, zorder=3, **look)
