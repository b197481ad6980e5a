"""The kind of replay whose runs learn in phases: what is still known when the last phase is over (Fig. 3.4)."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.figures.forgetting import courses_figure, errors_figure
from harness.paper.replay.names import plain_name
from harness.paper.replay.outcome import in_one_sentence, with_outcomes
from harness.record import PhaseEnd, Record
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.spec import KanShape, MlpShape, Network

ITEM = "train RMSE after each phase"  # of the published table
RIGHT_AFTER, IN_THE_END = "right after its phase", "after the last phase"
KEPT = 2.0  # how many times larger errors may be in the end, where what was learnt is said to be kept


class OfArm(NamedTuple):
    """What came of an arm, a record a seed: in phases, and with all data at once."""

    arm: str
    network: Network
    parameters: int
    in_phases: tuple[Record, ...]
    at_once: tuple[Record, ...]


class PhaseErrors(NamedTuple):
    """Training RMSE of an arm, [seeds] each: mean over phases right after each and after the last; all data at once.

    A run that diverged has infinite ones. `times` is the median over seeds of the second over the first.
    """

    right_after: tuple[float, ...]
    in_the_end: tuple[float, ...]
    at_once: tuple[float, ...]
    times: float


def forgetting(runs: ReplayRuns, replay: Replay, recipes: tuple[str, ...], drawn: tuple[str, ...]) -> Page:
    """The page: `recipes` are the arms of which an error was published, `drawn` those whose course is drawn."""
    arms = arms_of(runs)
    kept = {one.arm: kept_by(one) for one in arms if one.in_phases}
    points = with_outcomes(pd.DataFrame(_points(arms, published_rmse(replay), recipes)), replay.tolerance)
    return Page(
        points=points,
        figures=tuple(_figures(arms, kept, published_rmse(replay), drawn)),
        findings=(in_one_sentence(points), *_findings(points, kept, recipes)),
        tables=tuple(_tables(arms, kept)),
    )


def published_rmse(replay: Replay) -> float:
    """The one number that was published, of the tutorial: the same after every phase."""
    (name,) = replay.published
    (value,) = load(name).query("item == @ITEM")["value"]
    return float(value)


# ------------------------------------------------------------------------------------------------------------ our side
def arms_of(runs: ReplayRuns) -> list[OfArm]:
    """The arms of the experiment that have runs here, in the order of its file."""
    cells = {cell.index: cell for cell in runs.manifest.cells}
    chosen = set(runs.table.loc[runs.table["chosen"], "run_id"])
    records: dict[tuple[str, bool], list[Record]] = defaultdict(list)
    for planned in runs.manifest.runs:
        if planned.run_id in chosen:
            key = cells[planned.cell].arm, planned.run.recipe.phases is not None
            records[key].append(runs.records[planned.run_id])
    found = []
    for arm in dict.fromkeys(arm for arm, _ in records):
        in_phases, at_once = (tuple(records[arm, phased]) for phased in (True, False))
        any_run = (in_phases or at_once)[0]
        found.append(OfArm(arm, any_run.run.network, any_run.counts["params.trainable"], in_phases, at_once))
    return found


def kept_by(arm: OfArm) -> PhaseErrors:
    """How much an arm that was trained in phases keeps."""
    matrices = [_matrix(record.phases) for record in arm.in_phases]
    right_after = [float(np.diag(matrix).mean()) for matrix in matrices]
    in_the_end = [float(matrix[-1].mean()) for matrix in matrices]
    at_once = [record.metrics.losses.train if record.metrics else math.inf for record in arm.at_once]
    times = [
        end / before if math.isfinite(end) else math.inf for end, before in zip(in_the_end, right_after, strict=True)
    ]
    return PhaseErrors(tuple(right_after), tuple(in_the_end), tuple(at_once), float(np.median(times)))


def _matrix(phases: Sequence[PhaseEnd] | None) -> np.ndarray:
    """Training RMSE after each phase, on the points of each, [phases, phases]; infinite if a run diverged."""
    return np.array([end.rmse for end in phases]) if phases else np.full((1, 1), math.inf)


def _points(arms: Sequence[OfArm], published: float, recipes: tuple[str, ...]) -> Iterator[dict]:
    """A row an arm, phase and moment; one for each recipe that was published and has not been run."""
    for name in recipes:
        if not any(one.arm == name and one.in_phases for one in arms):
            what = f"{name}, {RIGHT_AFTER}"
            yield _point(what, math.nan, published, ()) | {"phase": None, "moment": RIGHT_AFTER}
    for one in arms:
        phases = one.in_phases[0].run.recipe.phases if one.in_phases else None
        for phase in range(phases or 0):
            for moment in (RIGHT_AFTER, IN_THE_END):
                ends = [
                    record.phases and record.phases[phase if moment == RIGHT_AFTER else -1] for record in one.in_phases
                ]
                errors = [end.rmse[phase] if end else math.inf for end in ends]
                known = published if one.arm in recipes and moment == RIGHT_AFTER else math.nan
                what = f"peak {phase + 1}, {moment}"
                yield _point(what, one.arm, known, errors) | {"phase": phase + 1, "moment": moment}


def _point(what: str, ours: str | float, published: float, errors: Sequence[float]) -> dict:
    median, best, worst = (float(take(errors)) if len(errors) else math.nan for take in (np.median, min, max))
    return {
        "what": what,
        "ours": ours,
        "published": published,
        "median": median,
        "best": best,
        "worst": worst,
        "seeds": len(errors) or math.nan,
        "errata": "",
    }


# -------------------------------------------------------------------------------------------------------------- words
def _findings(points: pd.DataFrame, kept: Mapping[str, PhaseErrors], recipes: tuple[str, ...]) -> Iterator[str]:
    """The recipes that were published; who keeps what was learnt and who does not; and what those can learn at once."""
    for name in recipes:
        rows = points[points["ours"] == name]
        if rows.empty:
            continue
        first, last = (rows.loc[rows["moment"] == moment, "median"].max() for moment in (RIGHT_AFTER, IN_THE_END))
        yield (
            f"{name}: right after its phase every peak has a training RMSE of at most {human(first)}; "
            f"{human(rows['published'].max())} was published. After the last phase it is at most {human(last)}."
        )
    keep = [f"{name} ({_times(one)})" for name, one in kept.items() if one.times <= KEPT]
    lose = [f"{name} ({_times(one)})" for name, one in kept.items() if not one.times <= KEPT]
    if keep:
        yield f"What was learnt is kept, with errors at most {KEPT:g} times those right after a phase, by {_and(keep)}."
    if lose:
        yield f"It is forgotten, and errors grow so many times, by {_and(lose)}."
    able = [
        f"{name} {human(np.median(one.at_once), 2)}"
        for name, one in kept.items()
        if not one.times <= KEPT and one.at_once
    ]
    if able:
        yield f"With all data at once, by as many evaluations, these have a training RMSE of: {', '.join(able)}."


def _times(one: PhaseErrors) -> str:
    return f"{human(one.times, 2)}x"


def _and(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _tables(arms: Sequence[OfArm], kept: Mapping[str, PhaseErrors]) -> Iterator[Table]:
    columns = (
        *text_columns("arm", "network"),
        *number_columns("trainable parameters", "right after", "after the last", "times more"),
        *number_columns("after the last, best to worst", "all data at once"),
    )
    rows = []
    for one in arms:
        if found := kept.get(one.arm):
            rows.append(
                (
                    one.arm,
                    _words(one.network),
                    one.parameters,
                    float(np.median(found.right_after)),
                    float(np.median(found.in_the_end)),
                    _times(found),
                    f"{human(min(found.in_the_end))} to {human(max(found.in_the_end))}",
                    float(np.median(found.at_once)) if found.at_once else None,
                )
            )
    introduction = (
        "Training RMSE, mean over the peaks, right after each one's phase and after the last phase; then that of the "
        "same network on all data at once. Medians over seeds. “Times more” is that of each seed's ratio."
    )
    if rows:
        yield table_of("What is kept", columns, rows, introduction)


def _words(network: Network) -> str:
    """`[1,1] G=200 k=3, base frozen`, `[1,16,16,1], silu`."""
    if isinstance(network, MlpShape):
        return f"{network.words}, {network.activation}"
    if not isinstance(network, KanShape):
        return network.words
    base = {True: "base trained", False: "no base", "frozen": "base frozen"}[network.base]
    return f"{network.words}, {base}" + (", scales trained" if network.scales else "")


# ------------------------------------------------------------------------------------------------------------ figures
def _figures(
    arms: Sequence[OfArm], kept: Mapping[str, PhaseErrors], published: float, drawn: tuple[str, ...]
) -> Iterator[Picture]:
    rows = [
        (f"{plain_name(one.arm)}\n{_words(one.network)}", median)
        for one in arms
        if one.arm in drawn and (median := _median_seed(one))
    ]
    if rows:
        yield Picture(
            "replay",
            partial(courses_figure, rows),
            "A row an arm, a column a phase: the target, and what the network makes of it after the phase",
            "After each phase, left to right. Thin: the target. Thick: the network of the median seed. Shaded: where "
            "the data of the phase are. What lies beyond the panels is cut off.",
        )
    errors = {plain_name(name): (one.right_after, one.in_the_end, one.at_once) for name, one in kept.items()}
    yield Picture(
        "kept",
        partial(errors_figure, errors, published),
        "Training errors of every arm right after each phase, after the last one, and with all data at once",
        "Training RMSE, mean over the peaks. Hollow: right after each one's phase. Filled: after the last phase. "
        "Cross: all data at once. Medians over seeds, bars from the best to the worst; the broken line was published.",
    )


def _median_seed(arm: OfArm) -> Record | None:
    """The run in phases whose error in the end is the median one, if it did not diverge."""
    done = [record for record in arm.in_phases if record.phases and record.phases[-1].outputs]
    ranked = sorted(done, key=lambda record: sum(record.phases[-1].rmse) if record.phases else math.inf)
    return ranked[len(ranked) // 2] if ranked else None
