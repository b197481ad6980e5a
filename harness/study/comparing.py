"""Two sides of an experiment compared from its records: what `harness compare` and `harness.compare` both say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from harness.judging.headline import headline
from harness.judging.pair import check_asked, conventions_of, lines, sides_named
from harness.judging.runs import level_over, runs_of
from harness.judging.versus import Headline, RatioLine, VersusRequest
from harness.judging.winners import reported
from harness.planning.match import axis_named
from harness.spec import Manifest
from harness.study.costs import table_of
from harness.study.folders import planned_records


@dataclass(frozen=True)
class Compared:
    """Two sides of an experiment: at equal budgets, what they cost each other, and their ratio everywhere.

    `results/NAME/compare_A_B.json` has the same. `results/NAME/answer.json`, which `harness run` writes, has such a
    `headline`, or in its place `why` there is none, and the `verdicts` of `harness verdicts`.
    """

    headline: Annotated[Headline, "who is better at equal size; nothing in it is read off a law"]
    asked: Annotated[VersusRequest, "what was asked"]
    lines: Annotated[list[RatioLine], "one a task and axis"]
    not_measured: Annotated[list[str], "axes without numbers, such as `seconds`"]


def compare_sides(
    manifest: Manifest,
    folder: Path,
    arms: tuple[str, str],
    axis: str | None = None,
    at: float | None = None,
    level: float | None = None,
) -> Compared:
    """Compare two sides, as a user names them, of a complete plan in this folder; see `headline` for what is asked."""
    every = table_of(manifest, planned_records(manifest, folder), folder)
    runs = runs_of(manifest, reported(manifest, every), every)
    named = runs.matched if axis is None else axis if axis == "seconds" else axis_named(axis)
    both = sides_named(runs, *arms)
    check_asked(runs, VersusRequest(both, named, at))
    compared = headline(runs, both, at, named, level)
    strictest = level_over(compared.level, manifest.looks, replicates=0) if manifest.looks else compared.level
    request = VersusRequest((compared.first, compared.second), named, at, strictest)
    return Compared(compared, request, lines(runs, request), conventions_of(runs, named)[1])
