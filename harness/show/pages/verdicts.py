"""The page of verdicts, in the results folder and in the folder that the project keeps."""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.base.formats import human
from harness.base.json_text import FORMAT, write_json
from harness.judging.verdict import power_words, verdict_words
from harness.record import ClassMetrics, Metrics
from harness.record.kept import KEPT_RECORDS
from harness.show.pages.page import address, write_html
from harness.show.tables.table import to_markdown
from harness.show.tables.verdicts import ORIGIN, numbers_table, summary_table, tasks_of
from harness.spec import axis_words, default_count
from harness.spec.counts import answer_axes
from harness.spec.decide import takes_of

FIGURE = "scaling.png"
KEPT_FILES = (FIGURE, "answer.json", "answer.png")
# Of the table of runs, what verdicts hang on, beside the axes of `answer_axes`.
RUN_COLUMNS = (
    *("run_id", "task", "arm", "series", "shape", "grid", "order", "asked", "seed", "trial", "chosen", "status"),
    *("metric", "val_loss", "test_loss", *dict.fromkeys([*Metrics.model_fields, *ClassMetrics.model_fields])),
    *("evaluations", "cell", "in_window", "until_minimum", "hold_out"),
    "won_on",
    *("params.paper", default_count("flops_forward")),
)
README = files(__package__).joinpath("templates/kept_verdicts.md").read_text(encoding="utf-8")


def verdict_part(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict in plain types on a page: a sentence, its rule, numbers, what it needs."""
    rule, level = f"{verdict['rule']}.", verdict["interval_level"]
    if level and level != verdict["level"]:
        rule += f" For so many tasks each interval is at {100 * level:.4g} %."
    if effort := verdict["effort"]:
        caps = (verdict["cap"] or {}).items()
        each = "".join(f", of at most {human(most)} {axis_words(axis)} each at the largest" for axis, most in caps)
        rule += f" Each side has {effort:,} run{'' if effort == 1 else 's'} at each size{each}."
    if any(one["look"] for one in verdict["numbers"]):
        rule += " All looks together err no more than one such interval."
    return {
        "sentence": f"“{verdict['claim']}”: {verdict_words(verdict)}.",
        "power": power_words(verdict),
        "rule": rule,
        "numbers": numbers_table(verdict) if verdict["numbers"] else None,
    }


def write_verdicts(answers: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write `verdicts.html`, with the figures in the experiments' folders, and `verdicts.json` into `folder`."""
    pictures = {}
    for answer in answers:
        path = folder / answer["name"] / FIGURE
        pictures[answer["name"]] = address(path.read_bytes()) if path.exists() else None
    return _write(answers, folder, pictures)


def _write(answers: Sequence[Mapping[str, Any]], folder: Path, pictures: Mapping[str, str | None]) -> list[Path]:
    """The page and the numbers; `pictures` are what the page shows of each experiment, as addresses."""
    verdicts = [verdict for answer in answers for verdict in answer["verdicts"]]
    page = write_html(
        folder / "verdicts.html",
        "verdicts.html",
        answers=answers,
        summary=summary_table(answers),
        matters={"factor": takes_of("test_loss").matters, "exponents": takes_of("exponent").matters},
        outcomes=list(dict.fromkeys(verdict["verdict"] for verdict in verdicts)),
        tasks=sorted({task for verdict in verdicts for task in tasks_of(verdict)}),
        figures=pictures,
        rules={answer["name"]: [verdict_part(verdict) for verdict in answer["verdicts"]] for answer in answers},
    )
    return [page, write_json({"experiments": list(answers)}, folder / "verdicts.json")]


def keep_verdicts(made: Sequence[tuple[Mapping[str, Any], pd.DataFrame]], results: Path, kept: Path) -> Path:
    """Copy the verdicts of experiments, with the tables of their runs, into `kept`, in place of earlier ones of those.

    The page, the JSON and the README there are of all that is kept.
    """
    for answer, table in made:
        target = kept / answer["name"]
        target.mkdir(parents=True, exist_ok=True)
        for earlier in target.iterdir():
            if earlier.name != KEPT_RECORDS:  # which grows
                earlier.unlink()
        wanted = dict.fromkeys((*RUN_COLUMNS, *answer_axes(), "seconds_on"))
        columns = [name for name in wanted if name in table and table[name].notna().any()]
        table[columns].to_csv(target / "runs.csv", index=False, float_format="%.6g")
        write_json(answer, target / "verdicts.json")
        for made_file in (results / answer["name"]).iterdir():
            if made_file.name in KEPT_FILES or (made_file.suffix == ".png" and made_file.name.startswith("compare_")):
                shutil.copyfile(made_file, target / made_file.name)
    found = {path.parent.name: _kept(path) for path in sorted(kept.glob("*/verdicts.json"))}
    answers = [answer for answer in found.values() if answer]
    earlier = [f"[{name}]({name}/verdicts.json)" for name, answer in found.items() if answer is None]
    names = [answer["name"] for answer in answers]
    _write(answers, kept, {name: f"{name}/{FIGURE}" if (kept / name / FIGURE).exists() else None for name in names})
    with whole_file(kept / "README.md") as path:
        sections = [_section(answer, heading) for answer, heading in zip(answers, kept_headings(answers), strict=True)]
        told = f"\nNot on the page, of earlier rules: {', '.join(earlier)}.\n" if earlier else ""
        path.write_text("".join([README, told, *sections]), encoding="utf-8")
    return kept


def _kept(path: Path) -> dict[str, Any] | None:
    """The answer that is kept there; None of an earlier version, whose rules were others."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HarnessError(f"{path} is damaged ({error}); remove its folder, and keep it again", INCOMPLETE) from None
    return found if found.pop("format", None) == FORMAT else None


def kept_headings(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each experiment's section is called: its question, with its name where scales have one question."""
    asked = Counter(answer["question"] for answer in answers)
    return [
        answer["question"] if asked[answer["question"]] == 1 else f"{answer['question']} ({answer['name']})"
        for answer in answers
    ]


def _section(answer: Mapping[str, Any], heading: str) -> str:
    where = f"[{answer['name']}]({answer['name']}/verdicts.json)"
    commits = ", ".join(commit[:9] for commit in answer["commits"])
    runs = f"{answer['runs']:,} runs, {answer['diverged']} diverged"
    said = "".join(f" {note[:1].upper()}{note[1:]}." for note in answer["notes"])
    rules = to_markdown(summary_table([answer]).without(ORIGIN))
    claims: dict[str, list[str]] = defaultdict(list)  # by what they would need, which several can have in common
    for one in answer["verdicts"]:
        claims[power_words(one)].append(one["claim"])
    claims.pop("", None)
    needs = [f"- {'; '.join(names)}: {words}\n" for words, names in claims.items()]
    told = f"\nWhat those that are open would need:\n\n{''.join(needs)}" if needs else ""
    return f"\n## {heading}\n\n{where}: {runs}; {commits}.{said}\n\n{rules}\n{told}"
