"""Two sides of an experiment compared from its records: what `harness compare` and `harness.compare` both say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.costs import table_of
from harness.cli.plans import planned_records
from harness.judging.headline import Headline, headline
from harness.judging.headline import to_json as headline_to_json
from harness.judging.looks import level_over
from harness.judging.runs import runs_of
from harness.judging.versus import (
    RatioLine,
    Versus,
    VersusRequest,
    conventions_of,
    lines,
    sides,
    versus,
    versus_json,
)
from harness.judging.winners import reported
from harness.planning.match import axis_named
from harness.spec import Manifest


@dataclass(frozen=True)
class Compared:
    """Two sides at equal budgets, what they cost each other, and their ratio everywhere; `absent` axes lack numbers."""

    headline: Headline
    request: VersusRequest
    found: list[Versus]
    lines: list[RatioLine]
    absent: list[str]


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
    compared = headline(manifest, runs, sides(runs, *arms), at, named, level)
    strictest = level_over(compared.level, manifest.looks, replicates=0) if manifest.looks else compared.level
    request = VersusRequest((compared.first, compared.second), named, at, strictest)
    return Compared(compared, request, versus(runs, request), lines(runs, request), conventions_of(runs, named)[1])


def compared_json(one: Compared) -> dict[str, Any]:
    """All of it in plain types that strict JSON can hold."""
    of_sides = versus_json(one.request, one.found, one.lines, one.absent)
    return {"headline": headline_to_json(one.headline), **of_sides}
