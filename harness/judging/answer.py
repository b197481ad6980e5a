"""What is said of the rules of one experiment: their verdicts, or why there are none and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from harness.base.reasons import Refusal
from harness.judging.judge import NumberSaid, Verdict, VerdictSaid, to_json
from harness.judging.words import matters_words, rule_words
from harness.spec import Decide

NOT_RUN: Literal["not run"] = "not run"


@dataclass(frozen=True)
class Answer:
    """The rules of an experiment and their verdicts; `why` there are none, and the `command` that is the next move.

    `notes` are what to know besides: that the file has changed since the plan, or seconds are not measured. `commits`
    are those of the code that made the records. `flops_train` are the training FLOPs of all runs, shared-dense.
    """

    file: str
    name: str
    question: str
    rules: tuple[Decide, ...]
    verdicts: tuple[Verdict, ...] | None
    why: str = ""
    command: str = ""
    damaged: bool = False
    notes: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    runs: int = 0
    diverged: int = 0
    flops_train: int = 0


class AnswerSaid(TypedDict):
    """The rules of one experiment, judged; or why they are not, and what to do about it."""

    file: Annotated[str, "the experiment file"]
    name: Annotated[str, "the results folder"]
    question: Annotated[str, "what it asks"]
    why: Annotated[str, "why nothing was judged; else empty"]
    command: Annotated[str, "the command that mends it; else empty"]
    damaged: Annotated[bool, "whether a record is damaged"]
    runs: Annotated[int, "runs that were judged"]
    diverged: Annotated[int, "those of them that diverged"]
    flops_train: Annotated[int, "training FLOPs of these runs together, shared-dense"]
    notes: Annotated[list[str], "what to know besides"]
    commits: Annotated[list[str], "of the code that trained"]
    verdicts: Annotated[list[VerdictSaid], "one a rule, in the order of the file"]


class Answers(NamedTuple):
    """The rules of experiments, judged.

    `results/verdicts.json` has the same. `results/verdicts/NAME/verdicts.json`, which `--keep` writes, has the keys of
    one experiment beside `format`. The page there has no files of an earlier format.
    """

    experiments: Annotated[Sequence[AnswerSaid], "one a file, in order"]


def answer_json(answer: Answer) -> AnswerSaid:
    """What pages, tables and scripts read of an answer. A rule that was not judged is `not run`."""
    return {
        "file": answer.file,
        "name": answer.name,
        "question": answer.question,
        "why": answer.why,
        "command": answer.command,
        "damaged": answer.damaged,
        "runs": answer.runs,
        "diverged": answer.diverged,
        "flops_train": answer.flops_train,
        "notes": list(answer.notes),
        "commits": list(answer.commits),
        "verdicts": [not_run_json(rule) for rule in answer.rules]
        if answer.verdicts is None
        else [to_json(verdict) for verdict in answer.verdicts],
    }


def not_run_json(rule: Decide) -> VerdictSaid:
    """A rule that was not judged, in the form of one that was."""
    return {
        "claim": rule.claim,
        "rule": rule_words(rule, rule.axis or "the matched size"),
        "decide": rule.model_dump(mode="json"),
        "axis": rule.axis,
        "level": rule.level,
        "interval_level": None,
        "effort": rule.effort,
        "cap": None,
        "verdict": NOT_RUN,
        "count": None,
        "matters": matters_words(rule),
        "power": None,
        "waits_for": None,
        "numbers": [],
    }


def verdict_words(verdict: Mapping[str, Any]) -> str:
    """`supported (3 of 4 tasks, 1 against)`, or `equal within 10 %`."""
    if verdict["verdict"] == "equal":
        return f"equal {verdict['matters']}"
    count = verdict["count"]
    if count is None or count["tasks"] == 1 or not any(count[one] for one in ("supported", "refuted", "equal")):
        return str(verdict["verdict"])
    told = {"for": count["supported"], "against": count["refuted"], "equal": count["equal"]}
    told["open"] = count["tasks"] - sum(told.values())
    listed = ", ".join(f"{number} {side}" for side, number in told.items() if number)
    return f"{verdict['verdict']} ({listed})"


def number_lines(verdict: Mapping[str, Any]) -> list[str]:
    """The numbers of a verdict (`to_json`), a line a task."""
    numbers = verdict["numbers"]
    if len(numbers) == 1:
        return [numbers[0]["words"]]
    return [f"{one['unit']}: {one['words']}, {one['outcome']}" for one in numbers]


def power_words(verdict: Mapping[str, Any]) -> str:
    """What an open rule would need, as a sentence; empty of others."""
    power = verdict["power"] or ""
    return f"{power[:1].upper()}{power[1:]}." if power else ""


def refused_words(number: NumberSaid) -> str:
    """Why a number of a verdict (`judge.to_json`) is not there, with the codes; empty where it is."""
    return " ".join(str(Refusal(**reason)) for reason in number["found"]["refusals"])
