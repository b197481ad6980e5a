"""The page of a replay: the figure, how far apart the points are, what the paper does not say, and the cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.files import whole_file
from harness.plot import human
from harness.plot_replay import course_figure, replay_figure
from harness.plot_residuals import write_figure
from harness.record import Record, read_record, record_path
from harness.reference import errata
from harness.replay import (
    NEAR,
    Exponent,
    Replay,
    Summary,
    beside,
    exponents,
    measured_points,
    published_points,
    summaries,
)
from harness.report import png, provenance, template
from harness.scaling import SeriesFit
from harness.show import exponent
from harness.spec import Manifest

COURSES = 4  # runs whose course is drawn, at most


class Replayed(NamedTuple):
    """What came of a replay: every published point beside ours, and what that comes to."""

    points: pd.DataFrame
    summaries: list[Summary]
    exponents: list[Exponent]


def write_replay(
    manifest: Manifest,
    table: pd.DataFrame,
    fits: Sequence[SeriesFit],
    replay: Replay,
    changes: Mapping[str, Any],
    folder: Path,
) -> Replayed:
    """Write `replay.html`, `replay.csv`, `replay.png` and `.pdf` into `folder`.

    `changes` are those of the scale at which the experiment ran, by dotted path; the page says so on top.
    """
    published, measured = published_points(replay), measured_points(table, replay)
    joined = beside(published, measured)
    found = Replayed(joined, summaries(joined, replay), exponents(joined, fits, replay))
    records = {run: read_record(record_path(folder.parent / "runs", run)) for run in manifest.run_ids()}
    figure, courses = replay_figure(published, measured, replay), _courses(table, records)
    page = template("replay.html").render(
        manifest=manifest,
        replay=replay,
        changes=changes,
        near=NEAR,
        figure=png(figure),
        courses=png(course_figure(courses)) if courses else None,
        summaries=found.summaries,
        exponents=[
            (one, exponent(one.law_on_paper.fit), exponent(one.law_on_trainable.fit)) for one in found.exponents
        ],
        points=joined.sort_values([*replay.panels, "x"], kind="stable").to_dict("records"),
        not_run=int((joined["outcome"] == "not run").sum()),
        errata=_concerned(published),
        seeds=len(manifest.experiment.seeds),
        evaluations=sum(record.evaluations for record in records.values()),
        provenance=provenance(record.provenance for record in records.values()),
    )
    with whole_file(folder / "replay.html") as path:
        path.write_text(page, encoding="utf-8")
    with whole_file(folder / "replay.csv") as path:
        joined.to_csv(path, index=False)
    write_figure(figure, folder / "replay")
    if courses:
        write_figure(course_figure(courses), folder / "course")
    return found


def sentences(found: Replayed) -> list[str]:
    """A line a published curve and series of ours."""
    return [
        f"{one.panel}, {one.network}, {one.series}: typically {human(one.typical_factor, 2)}x apart, at most "
        f"{human(one.largest_factor, 2)}x ({human(one.best_factor, 2)}x with the best seeds); "
        + ", ".join(f"{count} {what}" for what, count in one.outcomes.items())
        for one in found.summaries
    ]


def _courses(table: pd.DataFrame, records: Mapping[str, Record]) -> list[tuple[str, Record]]:
    """Where there is one task: of each series of KANs the run of the median seed on the finest grid, with a title."""
    kans = table[table["grid"].notna() & (table["status"] == "done") & table["chosen"]]
    if len(set(kans["task"])) != 1:
        return []
    found = []
    for (task, series), rows in list(kans.groupby(["task", "series"], sort=False))[:COURSES]:
        finest = rows[rows["grid"] == rows["grid"].max()].sort_values("test_rmse")
        found.append((f"{task}, {series}", records[finest.iloc[len(finest) // 2]["run_id"]]))
    return found


def _concerned(published: pd.DataFrame) -> list[dict[str, Any]]:
    """The errata that concern any of the points."""
    ids = {one for names in published["errata"] for one in names.split()}
    table = errata()
    return [
        {str(name): value for name, value in row.items()}
        for row in table[table["erratum"].isin(ids)].fillna("").to_dict("records")
    ]
