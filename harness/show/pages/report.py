"""The report of an experiment as one self-contained page: what the other rooms found, in words; no new statistic."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.judging.laws import SeriesLaws
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.record import Record
from harness.show.pages.answer import AnswerPart, answer_part
from harness.show.pages.laws import LawsPart, TrustPart, laws_part, trust_part
from harness.show.pages.page import write_html
from harness.show.pages.plan import PlanPart, plan_part
from harness.show.pages.provenance import ProvenancePart, provenance
from harness.show.pages.runs import RunsPart, accuracies_part, runs_part
from harness.show.tables.table import Table
from harness.spec import Manifest


@dataclass(frozen=True)
class ReportPage:
    """All that the page of an experiment says; what is None or empty has no section."""

    manifest: Manifest
    statuses: Counter[str]
    answer: AnswerPart
    accuracies: Table | None
    laws: LawsPart
    seconds_on: str | None
    trust: TrustPart | None
    plan: PlanPart
    runs: RunsPart
    provenance: ProvenancePart
    recipes_json: dict[str, str]
    experiment_json: str


def write_report(
    manifest: Manifest,
    records: Mapping[str, Record],
    table: pd.DataFrame,
    laws: Sequence[SeriesLaws],
    found: Headline | NoHeadline,
    verdicts: Sequence[Verdict],
    folder: Path,
) -> Path:
    """Write `report.html` of a plan into `folder`.

    `records` are by run id, and `found` is who is better at equal size.
    """
    part = laws_part(manifest, laws)
    report = ReportPage(
        manifest=manifest,
        statuses=Counter(record.status for record in records.values()),
        answer=answer_part(manifest, found, verdicts),
        accuracies=accuracies_part(table),
        laws=part,
        seconds_on=table["seconds_on"].iloc[0] if "seconds_on" in table else None,
        trust=trust_part(manifest, laws),
        plan=plan_part(manifest, part.loss),
        runs=runs_part(manifest, table),
        provenance=provenance(record.provenance for record in records.values()),
        recipes_json={name: _json(recipe) for name, recipe in manifest.experiment.recipes.items()},
        experiment_json=_json(manifest.experiment),
    )
    return write_html(folder / "report.html", "report.html", report=report)


def _json(model: Any) -> str:
    return json.dumps(model.model_dump(mode="json"), indent=1, ensure_ascii=False)
