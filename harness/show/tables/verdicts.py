"""Verdicts in tables: in full for the terminal, in short for all readers, and every number for the page."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from harness.judging.answer import (
    NOT_RUN,
    differing_outcomes,
    found_line,
    number_lines,
    power_words,
    verdict_words,
)
from harness.judging.words import CODE, STABLE, limit_words
from harness.show.tables.table import Note, Piece, Styled, Table, TableCell, TableRow, number_columns, text_columns
from harness.spec import Decide, all_axes, stable_axes

ORIGIN = "experiment, commit"
RULE_COLUMNS = ("claim", "verdict", "found, with interval", "asked to be")


def verdicts_table(answers: Sequence[dict[str, Any]]) -> Table:
    """A row a rule (of `answer_json`): the claim and its rule, the numbers, the verdict, where it is from."""
    rows = []
    for answer in answers:
        for verdict in answer["verdicts"]:
            claim = verdict["claim"]
            if verdict["verdict"] != NOT_RUN:  # of others the page has the rule
                level = verdict["interval_level"]
                corrected = f" (each at {100 * level:.4g} %)" if level != verdict["level"] else ""
                looks = " over all looks together" if verdict.get("looked") else ""
                claim += f":\n{verdict['rule']}{corrected}{looks}"
            needs = [power_words(verdict)] if power_words(verdict) else []
            told = "\n".join([*number_lines(verdict), *needs]) or answer["why"]
            origin = "\n".join([answer["name"], *(commit[:9] for commit in answer["commits"])])
            rows.append(TableRow((claim, told, verdict_words(verdict), origin), begins_section=True))
    columns = text_columns("claim: rule", "numbers", "verdict", ORIGIN)
    return Table("verdicts, by the rules of each plan", columns, tuple(rows))


def summary_table(answers: Sequence[dict[str, Any]]) -> Table:
    """A row for each rule, by the number of its claim: the verdict, and a cell for each convention that counts.

    The verdict stands beside the claim, where a phone shows it too.
    """
    axes = all_axes()
    conventions = stable_axes()
    judged = [(verdict, answer) for answer in answers for verdict in answer["verdicts"]]
    rows = []
    for verdict, answer in sorted(judged, key=lambda one: _claim_number(one[0]["claim"])):
        origin: list[Piece] = [Styled(answer["name"], "link")]
        origin += [Styled(commit[:9], "code") for commit in answer["commits"]]
        stable = [STABLE] if verdict["stable"] else []
        concluded = ", ".join([verdict["verdict"], *_decided_words(verdict), *stable])
        outcomes = [_outcome(verdict, convention) for convention in conventions]
        facts = (("outcome", verdict["verdict"]), ("tasks", json.dumps(tasks_of(verdict))))
        rows.append(TableRow((verdict["claim"], Styled(concluded, "strong"), *outcomes, origin), facts=facts))
    columns = text_columns("claim", "verdict", *(axes[name].head for name in conventions), ORIGIN)
    return Table("in short: outcome, and how many tasks are for and against the claim", columns, tuple(rows))


def tasks_of(verdict: dict[str, Any]) -> list[str]:
    """The tasks, or families of tasks, that the numbers of a verdict are of."""
    return sorted({number["unit"] for number in verdict["numbers"]})


def _claim_number(claim: str) -> float:
    """The number that a claim begins with; of one without a number it is beyond all others."""
    begins = re.match(r"\d+", claim)
    return float(begins[0]) if begins else math.inf


def _decided_words(verdict: dict[str, Any]) -> list[str]:
    """`refuted per parameter`: what some conventions decide where others do not, or decide otherwise."""
    axes = all_axes()
    decided = {said: names for said, names in differing_outcomes(verdict).items() if said != "inconclusive"}
    return [f"{outcome} {' and '.join(axes[name].head for name in names)}" for outcome, names in decided.items()]


def _outcome(verdict: dict[str, Any], convention: str) -> TableCell:
    """`supported: 2 for, 1 against`: what became of a claim, and on how many tasks; the others are open."""
    if convention in verdict["not_measured"]:
        return Styled("not measured", "dim")
    for count in verdict["counts"]:
        if count["convention"] == convention:
            equal = count.get("equal", 0)  # verdicts that are kept may be older than this outcome
            still_open = count["tasks"] - count["supported"] - count["refuted"] - equal
            tasks = {"for": count["supported"], "against": count["refuted"], "equal": equal, "open": still_open}
            listed = ", ".join(f"{number} {side}" for side, number in tasks.items() if number)
            told = f"{count['outcome']}: {listed}"
            return Styled(told, "dim") if count["outcome"] == "inconclusive" else told
    return Styled("–", "dim")


def rules_table(verdicts: Sequence[dict[str, Any]]) -> Table:
    """A row a rule of one experiment (`judge.to_json`): the verdict, its numbers or the reason, their limit."""
    rows = []
    for verdict in verdicts:
        power = power_words(verdict)
        refused = [one["found"]["refused"] for one in verdict["numbers"] if one["found"]["refused"]]
        reasons = dict.fromkeys(CODE.sub("", reason) for reason in refused)  # its codes stand with the number
        why = "; ".join(reason for reason in reasons if reason not in power)
        told = ": ".join(filter(None, [found_line(verdict), why]))
        if power:
            told += f". {power}"
        asked = dict.fromkeys(map(limit_words, Decide.model_validate(verdict["decide"]).conditions))
        rows.append(TableRow((verdict["claim"], Styled(verdict_words(verdict), "strong"), told, ", ".join(asked))))
    return Table("verdicts on the rules", text_columns(*RULE_COLUMNS), tuple(rows))


def numbers_table(verdict: dict[str, Any]) -> Table:
    """Every number that a verdict (`judge.to_json`) hangs on, and why there is none."""
    rows = []
    for one in [*verdict["given"], *verdict["numbers"]]:
        refused = one["found"]["refused"]
        notes = (Note("", "", refused, ""),) if refused else ()
        cells = (Styled(one["convention"], "code"), one["unit"], one["condition"], one["words"], one["outcome"])
        rows.append(TableRow(cells, notes))
    columns = (*text_columns("convention", "task", "what"), *number_columns("found"), *text_columns("outcome"))
    return Table("", columns, tuple(rows))


def answer_sentences(answer: dict[str, Any]) -> list[str]:
    """What to know of an experiment's verdicts besides, and the next move."""
    said = [f"{answer['name']}: {note}" for note in answer["notes"]]
    if answer["why"]:
        said.append(f"{answer['name']}: {answer['why']}; `{answer['command']}`")
    return said
