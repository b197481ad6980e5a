"""The figure of speed: time of loss and gradient against G, and test error against time."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.implementations import (
    DENSE,
    FUSED,
    INKAN,
    MLP_FUSED,
    MLP_TORCH,
    PYKAN,
    RBF,
    TORCH,
)
from benchmarks.jobs import EXP2D_NARROW, EXP2D_WIDE, Job
from harness.families import FAMILIES
from harness.show.figures.labels import set_ticks
from harness.show.figures.series import TEXT_SHADE, shaded
from harness.show.figures.theme import themed, write_figure

# Of their families, and other people's KANs darker than ours.
OURS, THEIRS = FAMILIES["kan"].colour, shaded(FAMILIES["kan"].colour, -0.6)
GAUSSIANS, MLP = FAMILIES["rbf_kan"].colour, FAMILIES["mlp"].colour
# Implementation -> colour, line, mark, and its label.
LINES = {
    FUSED: (OURS, "-", "o", "fused (ours)"),
    TORCH: (OURS, "--", "s", "torch (ours)"),
    PYKAN: (THEIRS, "-", "^", "pykan"),
    DENSE: (THEIRS, "--", "v", "all bases (efficient-kan's way)"),
    INKAN: (THEIRS, ":", "D", "inkan"),
    RBF: (GAUSSIANS, "-.", "P", "no spline: Gaussians (fast-kan's way)"),
    MLP_TORCH: (MLP, "--", "x", "no KAN: MLP as large, torch"),
    MLP_FUSED: (MLP, "-", "+", "no KAN: MLP as large, fused (ours)"),
}


@themed
def draw(folder: Path) -> list[Path]:
    """Draw speed.png and speed.pdf from the tables in `folder`."""
    evaluation, errors = (
        pd.read_csv(folder / f"{name}.csv") for name in ("evaluation", "time_to_rmse")
    )
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _time_against_grid(left, evaluation[evaluation["points"] == 1000])
    _error_against_time(right, errors)
    return write_figure(figure, folder / "speed")


# --------------------------------------------------------------------------------------------------
# left
def _time_against_grid(axes: Axes, table: pd.DataFrame) -> None:
    ends = {}
    for name, (colour, style, marker, _) in LINES.items():
        rows = table[table["implementation"] == name].sort_values("grid")
        axes.plot(
            rows["grid"],
            rows["cpu_ms"],
            color=colour,
            linestyle=style,
            marker=marker,
            markersize=4,
            linewidth=1.2,
        )
        ends[name] = rows["cpu_ms"].iloc[-1]
    axes.set(
        xscale="log", yscale="log", xlabel="intervals of a spline, G", ylabel="CPU milliseconds"
    )
    axes.set_title("Loss and gradient: [2,5,1], 1000 points")
    grids = sorted(table["grid"].unique())
    axes.xaxis.set_major_locator(FixedLocator(grids))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(grid) for grid in grids])
    set_ticks(axes.yaxis)
    for name, height in zip(ends, _apart(list(ends.values()), factor=1.55), strict=True):
        colour, *_, label = LINES[name]
        weight = "bold" if name == FUSED else "normal"
        axes.annotate(
            label,
            (grids[-1], height),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=shaded(colour, TEXT_SHADE) if colour != OURS else OURS,
            weight=weight,
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], factor: float) -> list[float]:
    """Heights on a log axis, moved as little as makes neighbours differ by `factor` and keeps their
    order.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    groups: list[list[int]] = []
    for index in order:
        groups.append([index])
        while (
            len(groups) > 1
            and _low(groups[-1], heights, factor) < _high(groups[-2], heights, factor) * factor
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = list(heights)
    for group in groups:
        low = _low(group, heights, factor)
        for step, index in enumerate(group):
            placed[index] = low * factor**step
    return placed


def _low(group: Sequence[int], heights: Sequence[float], factor: float) -> float:
    product = 1.0
    for index in group:
        product *= heights[index] ** (1 / len(group))
    return product / factor ** ((len(group) - 1) / 2)


def _high(group: Sequence[int], heights: Sequence[float], factor: float) -> float:
    return _low(group, heights, factor) * factor ** (len(group) - 1)


# --------------------------------------------------------------------------------------------------
# right
def _error_against_time(axes: Axes, table: pd.DataFrame) -> None:
    for job, style in ((EXP2D_WIDE, "-"), (EXP2D_NARROW, "--")):
        nodes = f"[{','.join(map(str, job.shape))}]"
        rows = _with_pykan(table, job)
        for who, prefix, colour, marker in (
            ("ours", "", OURS, "o"),
            ("pykan", "pykan_", THEIRS, "^"),
        ):
            seconds, errors = rows[f"{prefix}cpu_seconds"], rows[f"{prefix}test_rmse"]
            axes.plot(
                seconds,
                errors,
                color=colour,
                linestyle=style,
                marker=marker,
                markersize=4,
                linewidth=1.2,
            )
            named, left_end = (-1, None) if who == "ours" else (0, 0)
            for end in (0, -1):
                words = f"{who}, {nodes}\n" if end == named else ""
                axes.annotate(
                    f"{words}G = {rows['grid'].iloc[end]}",
                    (seconds.iloc[end], errors.iloc[end]),
                    xytext=(-6 if end == left_end else 6, 0),
                    textcoords="offset points",
                    ha="right" if end == left_end else "left",
                    va="center",
                    color=colour,
                )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="CPU seconds from the start",
        ylabel="test RMSE, median over seeds",
    )
    axes.set_title("exp(sin(πx) + y²), 1000 points, grid by grid")
    axes.margins(x=0.12)
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)


def _with_pykan(table: pd.DataFrame, job: Job) -> pd.DataFrame:
    rows = table[(table["job"] == job.words) & table["pykan_test_rmse"].notna()]
    return rows.sort_values("grid")
