"""Verdicts in a sentence a question, and in tables: a row a claim, a row a rule with its numbers,
every number.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.judging.verdict import (
    limit_words,
    number_lines,
    power_words,
    refused_words,
    verdict_words,
)
from harness.show.grouping import grouped
from harness.show.tables.headline import factor, family_words
from harness.show.tables.table import Note, Piece, Styled, Table, TableRow, table_of
from harness.spec.counts import all_axes
from harness.spec.decide import Decide, side_label

ORIGIN = "experiment, commit"
RULE_COLUMNS = ("claim", "verdict", "found, with interval", "asked to be")


class QuestionAnswer(NamedTuple):
    """What became of a question: a chip, which is the side that is ahead where that is decided, and
    a sentence.
    """

    question: str
    chip: str
    decided: bool
    sentence: str
    name: str


def question_answers(answers: Sequence[Mapping[str, Any]]) -> list[QuestionAnswer]:
    """The answer of each question, by the experiment with the most runs, and its first rule on
    errors at equal size.
    """
    sentences = []
    for question, scales in grouped(answers, lambda answer: str(answer["question"])).items():
        largest = max(scales, key=lambda answer: int(answer["runs"]))
        on_errors = [
            verdict
            for verdict in largest["verdicts"]
            if verdict["decide"].get("quantity") == "test_loss"
        ]
        for verdict in [*on_errors, *largest["verdicts"]][:1]:
            sentences.append(QuestionAnswer(question, *_in_a_sentence(verdict), largest["name"]))
    return sentences


def _in_a_sentence(verdict: Mapping[str, Any]) -> tuple[str, bool, str]:
    """The chip of a verdict, whether it is a side, and in a sentence the claim and who is ahead on
    which task.
    """
    sides = [
        family_words(side_label(names))
        for names in Decide.model_validate(verdict["decide"]).arms_of_sides
    ]
    tasks: dict[str, list[str]] = {f"{side} ahead by": [] for side in sides}
    for number in verdict["numbers"]:
        unit, (estimate, low, high) = (
            number["unit"],
            (number["found"][name] for name in ("estimate", "low", "high")),
        )
        if len(sides) == 2 and estimate and (low > 1 or high < 1):
            side, times = (sides[0], estimate) if low > 1 else (sides[1], 1 / estimate)
            tasks[f"{side} ahead by"].append(f"{factor(times)}x on {unit}")
        else:
            tasks.setdefault("equal on" if number["outcome"] == "equal" else "open on", []).append(
                unit
            )
    outcome = verdict["verdict"]
    is_second = outcome == "refuted" and not tasks[f"{sides[0]} ahead by"]
    is_side = len(sides) == 2 and (outcome == "supported" or is_second)
    claim = re.sub(r"^\d+[:,] *", "", verdict["claim"])
    listed = "; ".join(f"{what} {', '.join(units)}" for what, units in tasks.items() if units)
    sentence = f"“{claim}” is {outcome}{f': {listed}' if listed else ''}."
    return sides[is_second] if is_side else outcome, is_side, sentence


def summary_table(answers: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each rule, by the number of its claim: what became of it, by what it is counted,
    and how many runs.
    """
    axes, rows = all_axes(), []
    for answer in answers:
        commits = (Styled(commit[:9], "code") for commit in answer["commits"])
        origin: list[Piece] = [Styled(answer["name"], "link"), *commits]
        for verdict in answer["verdicts"]:
            axis = (
                axes[verdict["axis"]].head
                if verdict["axis"] in axes
                else str(verdict["axis"] or "")
            )
            effort = "" if verdict["effort"] is None else f"best of {verdict['effort']}"
            facts = (("outcome", verdict["verdict"]), ("tasks", json.dumps(tasks_of(verdict))))
            cells = (
                verdict["claim"],
                Styled(verdict_words(verdict), "strong"),
                axis,
                effort,
                list(origin),
            )
            rows.append(TableRow(cells, facts=facts))
    rows.sort(
        key=lambda row: float((re.match(r"\d+", str(row.cells[0])) or ["inf"])[0])
    )  # others stand last
    heads = ("claim", "verdict, and tasks for and against it", "by", "runs a size", ORIGIN)
    return table_of("in short", heads, rows)


def tasks_of(verdict: Mapping[str, Any]) -> list[str]:
    """The tasks, or families of tasks, that the numbers of a verdict are of."""
    return sorted({number["unit"] for number in verdict["numbers"]})


def rules_table(
    verdicts: Sequence[Mapping[str, Any]], title: str = "verdicts on the rules"
) -> Table:
    """A row a rule of one experiment: the verdict, its numbers or the reason, their limit."""
    rows = []
    for verdict in verdicts:
        power = power_words(verdict)
        reasons: dict[
            str, str
        ] = {}  # the first of each code, as those of other tasks differ in their numbers alone
        for number in verdict["numbers"]:
            for refusal in number["found"]["refusals"]:
                what, *_ = refusal["reason"].split(". ")
                reasons.setdefault(
                    refusal["code"] or what, "" if what in power else refusal["reason"].rstrip(".")
                )
        said = "; ".join(filter(None, reasons.values()))
        numbers = ": ".join(filter(None, ["; ".join(number_lines(verdict)), said]))
        cell = f"{numbers}. {power}" if power else numbers
        asked = limit_words(Decide.model_validate(verdict["decide"]))
        rows.append((verdict["claim"], Styled(verdict_words(verdict), "strong"), cell, asked))
    return table_of(title, RULE_COLUMNS, rows)


def numbers_table(verdict: Mapping[str, Any]) -> Table:
    """Every number that a verdict hangs on, and why there is none."""
    rows, is_compared = [], False
    for number in verdict["numbers"]:
        result, why = number["found"], refused_words(number)
        won = (
            "" if result["won"] is None else f"{result['won']} of {result['won'] + result['lost']}"
        )
        is_compared |= bool(won)
        notes = (Note("", "", why, ""),) if why else ()
        rows.append(TableRow((number["unit"], _found_words(number), won, number["outcome"]), notes))
    won_by = f"won by {side_label(Decide.model_validate(verdict['decide']).arms_of_sides[0])}"
    table = table_of("", ("task", "#found", f"#{won_by}", "outcome"), rows)
    return table if is_compared else table.without(won_by)


def _found_words(number: Mapping[str, Any]) -> str:
    """A number with its interval in the format of all cells; else the reason, or the bound, as it
    was kept.
    """
    result = number["found"]
    if result["estimate"] is None:
        return str(number["words"])
    estimate, *ends = (
        factor(math.inf if result[name] is None else result[name])
        for name in ("estimate", "low", "high")
    )
    return f"{estimate} [{', '.join(ends)}]"


def answer_sentences(answer: Mapping[str, Any]) -> list[str]:
    """What to know of an experiment's verdicts besides, and the next move."""
    why = [f"{answer['why']}; `{answer['command']}`"] if answer["why"] else []
    return [f"{answer['name']}: {sentence}" for sentence in (*answer["notes"], *why)]
