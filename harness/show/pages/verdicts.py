"""The page of verdicts, in the results folder and in the folder that the project keeps."""

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import FIRST_OF_THESE_RULES, write_json
from harness.judging.verdict import power_words
from harness.record.schema import ClassMetrics, Metrics
from harness.record.table_files import for_spreadsheets
from harness.show.grouping import grouped
from harness.show.pages.page import write_html
from harness.show.tables.table import to_markdown
from harness.show.tables.verdicts import ORIGIN, question_answers, summary_table, tasks_of
from harness.spec.counts import answer_axes, default_count
from harness.spec.decide import takes_of

RUNS, MACHINE = (
    "runs.csv.xz",
    "seconds_on",
)  # the kept table of runs, and its column of which machine was measured
KEPT_FILES = ("scaling.png", "scaling_others.png", "answer.json", "answer.png")
# Of the table of runs, what verdicts hang on, beside the axes of `answer_axes`.
RUN_COLUMNS = (
    *(
        "run_id",
        "task",
        "arm",
        "series",
        "shape",
        "grid",
        "order",
        "asked",
        "seed",
        "trial",
        "chosen",
        "status",
    ),
    *(
        "metric",
        "val_loss",
        "test_loss",
        *dict.fromkeys([*Metrics.columns, *ClassMetrics.model_fields]),
    ),
    *("evaluations", "cell", "in_window", "until_minimum", "hold_out"),
    "won_on",
    *("params.paper", default_count("flops_forward")),
)


def write_verdicts(answers: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write `verdicts.html` and `verdicts.json` into `folder`."""
    verdicts = list(itertools.chain.from_iterable(answer["verdicts"] for answer in answers))
    page = write_html(
        folder / "verdicts.html",
        "verdicts.html",
        answers=answers,
        questions=question_answers(answers),
        summary=summary_table(answers),
        matters={
            "factor": takes_of("test_loss").matters,
            "exponents": takes_of("exponent").matters,
        },
        outcomes=list(dict.fromkeys(verdict["verdict"] for verdict in verdicts)),
        tasks=sorted(set(itertools.chain.from_iterable(map(tasks_of, verdicts)))),
    )
    return [page, write_json({"experiments": list(answers)}, folder / "verdicts.json")]


def keep_verdicts(
    made: Sequence[tuple[Mapping[str, Any], pd.DataFrame]], results: Path, kept: Path
) -> Path:
    """Copy the verdicts of experiments, with the tables of their runs, into `kept`, in place of
    earlier ones of those.

    The page, the JSON and the README there are of all that is kept. Records, and pictures of
    `harness observe`, stay.
    """
    for answer, table in made:
        _check_measured(kept / answer["name"] / RUNS, table)
    for answer, table in made:
        target = kept / answer["name"]
        target.mkdir(parents=True, exist_ok=True)
        for earlier in target.iterdir():
            if _is_written_here(earlier):
                earlier.unlink()
        wanted = dict.fromkeys((*RUN_COLUMNS, *answer_axes(), MACHINE))
        columns = [name for name in wanted if name in table and table[name].notna().any()]
        for_spreadsheets(table[columns]).to_csv(target / RUNS, index=False, float_format="%.6g")
        write_json(answer, target / "verdicts.json")
        for file in (results / answer["name"]).iterdir():
            if _is_written_here(file):
                shutil.copyfile(file, target / file.name)
    answers, of_earlier_rules = [], []
    for path in sorted(kept.glob("*/verdicts.json")):
        try:
            kept_answer = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            damaged = f"{path} is damaged ({error}); remove its folder, and keep it again"
            raise HarnessError(damaged, INCOMPLETE) from None
        if kept_answer.pop("format", 0) >= FIRST_OF_THESE_RULES:
            answers.append(kept_answer)
        else:
            of_earlier_rules.append(f"[{path.parent.name}]({path.parent.name}/verdicts.json)")
    write_verdicts(answers, kept)
    questions = Counter(answer["question"] for answer in answers)
    sections = []
    for answer in answers:
        needs = grouped(answer["verdicts"], power_words)  # which several claims can have in common
        needs.pop("", None)
        # Scales of an experiment have one question.
        heading = answer["question"] + (
            f" ({answer['name']})" if questions[answer["question"]] > 1 else ""
        )
        summary = to_markdown(summary_table([answer]).without(ORIGIN))
        sections.append({**answer, "needs": needs, "heading": heading, "table": summary})
    write_html(kept / "README.md", "kept_verdicts.md", earlier=of_earlier_rules, sections=sections)
    return kept


def _is_written_here(file: Path) -> bool:
    return file.name in KEPT_FILES or file.match("compare_*.png")


def _check_measured(earlier: Path, table: pd.DataFrame) -> None:
    """A HarnessError where the earlier table has the seconds of a measured machine, and the new one
    has none.
    """
    if not earlier.exists():
        return
    measured = pd.read_csv(earlier).get(MACHINE, pd.Series(dtype=str)).dropna()
    if len(measured) and (MACHINE not in table or table[MACHINE].isna().all()):
        raise HarnessError(
            f"{earlier} has the seconds of runs on {measured.iloc[0]}. Keeping would drop them, "
            "as this machine is not "
            f"measured; `harness bench` measures it, or remove {earlier.parent} first"
        )
