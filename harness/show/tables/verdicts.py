"""Verdicts in tables: in full for the terminal, in short for all readers, and every number for the page."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.judging.verdict import NOT_RUN, number_lines, power_words, refused_words, verdict_words
from harness.judging.words import limit_words
from harness.show.tables.table import Note, Piece, Styled, Table, TableRow, number_columns, text_columns
from harness.spec import Decide, all_axes, side_label

ORIGIN = "experiment, commit"
RULE_COLUMNS = ("claim", "verdict", "found, with interval", "asked to be")


def verdicts_table(answers: Sequence[Mapping[str, Any]]) -> Table:
    """A row a rule: the claim and its rule, the numbers, the verdict, where it is from."""
    rows = []
    for answer in answers:
        for verdict in answer["verdicts"]:
            claim = verdict["claim"]
            if verdict["verdict"] != NOT_RUN:  # of others the page has the rule
                level = verdict["interval_level"]
                corrected = f" (each at {100 * level:.4g} %)" if level != verdict["level"] else ""
                looks = " over all looks together" if any(one["look"] for one in verdict["numbers"]) else ""
                claim += f":\n{verdict['rule']}{corrected}{looks}"
            needs = [power_words(verdict)] if power_words(verdict) else []
            told = "\n".join([*number_lines(verdict), *needs]) or answer["why"]
            origin = "\n".join([answer["name"], *(commit[:9] for commit in answer["commits"])])
            rows.append(TableRow((claim, told, verdict_words(verdict), origin), begins_section=True))
    columns = text_columns("claim: rule", "numbers", "verdict", ORIGIN)
    return Table("verdicts, by the rules of each plan", columns, tuple(rows))


def summary_table(answers: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each rule, by the number of its claim: what became of it, by what it is counted, and how many runs."""
    axes = all_axes()
    judged = [(verdict, answer) for answer in answers for verdict in answer["verdicts"]]
    rows = []
    for verdict, answer in sorted(judged, key=lambda one: _claim_number(one[0]["claim"])):
        origin: list[Piece] = [Styled(answer["name"], "link")]
        origin += [Styled(commit[:9], "code") for commit in answer["commits"]]
        axis = axes[verdict["axis"]].head if verdict["axis"] in axes else str(verdict["axis"] or "")
        effort = "" if verdict["effort"] is None else f"best of {verdict['effort']}"
        facts = (("outcome", verdict["verdict"]), ("tasks", json.dumps(tasks_of(verdict))))
        cells = (verdict["claim"], Styled(verdict_words(verdict), "strong"), axis, effort, origin)
        rows.append(TableRow(cells, facts=facts))
    columns = text_columns("claim", "verdict, and tasks for and against it", "by", "runs a side", ORIGIN)
    return Table("in short", columns, tuple(rows))


def tasks_of(verdict: Mapping[str, Any]) -> list[str]:
    """The tasks, or families of tasks, that the numbers of a verdict are of."""
    return sorted({number["unit"] for number in verdict["numbers"]})


def _claim_number(claim: str) -> float:
    """The number that a claim begins with; of one without a number it is beyond all others."""
    begins = re.match(r"\d+", claim)
    return float(begins[0]) if begins else math.inf


def rules_table(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    """A row a rule of one experiment: the verdict, its numbers or the reason, their limit."""
    rows = []
    for verdict in verdicts:
        power = power_words(verdict)
        refused = [one["found"]["refusals"] for one in verdict["numbers"] if one["found"]["refusals"]]
        reasons = dict.fromkeys(" ".join(one["reason"] for one in of_number) for of_number in refused)
        why = "; ".join(reason.rstrip(".") for reason in reasons if reason not in power)
        told = ": ".join(filter(None, ["; ".join(number_lines(verdict)), why]))
        if power:
            told += f". {power}"
        asked = limit_words(Decide.model_validate(verdict["decide"]))
        rows.append(TableRow((verdict["claim"], Styled(verdict_words(verdict), "strong"), told, asked)))
    return Table("verdicts on the rules", text_columns(*RULE_COLUMNS), tuple(rows))


def numbers_table(verdict: Mapping[str, Any]) -> Table:
    """Every number that a verdict hangs on, and why there is none."""
    rows = []
    for one in verdict["numbers"]:
        found = one["found"]
        why = refused_words(one)
        notes = (Note("", "", why, ""),) if why else ()
        won = "" if found["won"] is None else f"{found['won']} of {found['won'] + found['lost']}"
        rows.append(TableRow((one["unit"], one["words"], won, one["outcome"]), notes))
    won_by = f"won by {side_label(Decide.model_validate(verdict['decide']).arms_of_sides[0])}"
    columns = (*text_columns("task"), *number_columns("found", won_by), *text_columns("outcome"))
    table = Table("", columns, tuple(rows))
    return table if any(row.cells[2] for row in rows) else table.without(won_by)


def answer_sentences(answer: Mapping[str, Any]) -> list[str]:
    """What to know of an experiment's verdicts besides, and the next move."""
    said = [f"{answer['name']}: {note}" for note in answer["notes"]]
    if answer["why"]:
        said.append(f"{answer['name']}: {answer['why']}; `{answer['command']}`")
    return said
