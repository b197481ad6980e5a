"""What is said of the rules of one experiment: their verdicts, or why there are none and what to do about it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.judging.judge import Verdict, to_json
from harness.judging.words import STABLE, matters_words, rule_words
from harness.spec import ANY_SIZE, Condition, Decide, all_axes, takes_of

NOT_RUN = "not run"


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


def answer_json(answer: Answer) -> dict[str, Any]:
    """The answer in plain types: what pages, tables and scripts read. A rule that was not judged is `not run`."""
    names = ("file", "name", "question", "why", "command", "damaged", "runs", "diverged", "flops_train")
    said = {name: getattr(answer, name) for name in names}
    found = (
        [not_run_json(rule) for rule in answer.rules]
        if answer.verdicts is None
        else [to_json(verdict) for verdict in answer.verdicts]
    )
    return {**said, "notes": list(answer.notes), "commits": list(answer.commits), "verdicts": found}


def largest_scales(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each file the answer (`answer_json`) of the scale whose runs trained most, by their mean training FLOPs."""
    ascending = sorted(answers, key=lambda answer: answer.get("flops_train", 0) / max(1, answer.get("runs", 0)))
    largest = {answer["file"]: answer for answer in ascending}
    return [answer for answer in answers if largest[answer["file"]] is answer]


def not_run_json(rule: Decide) -> dict[str, Any]:
    """A rule that was not judged, in the form of one that was."""
    lists = ("holds_under", "not_measured", "counts", "numbers", "given")
    empty: dict[str, Any] = {name: [] for name in lists}
    return {
        "claim": rule.claim,
        "rule": rule_words(rule),
        "decide": rule.model_dump(mode="json"),
        "level": rule.level,
        "interval_level": None,
        "verdict": NOT_RUN,
        "matters": matters_words(rule),
        "power": None,
        "stable": False,
        "looked": None,
        **empty,
    }


def verdict_words(verdict: dict[str, Any]) -> str:
    """`supported, stable over counts`, or what the claim is by each convention, and which were not measured."""
    if verdict["verdict"] == "equal":
        return f"equal {verdict['matters']}"
    stable = STABLE if verdict["stable"] else ""
    notes = [_differing_words(verdict) or ("" if stable else _alike_words(verdict))]
    if verdict["not_measured"]:
        notes.append(f"{', '.join(verdict['not_measured'])} not measured")
    told = ", ".join(filter(None, [verdict["verdict"], stable]))
    noted = "; ".join(filter(None, notes))
    return f"{told} ({noted})" if noted else told


def differing_outcomes(verdict: dict[str, Any]) -> dict[str, list[str]]:
    """The conventions that came to each outcome; empty if all of them came to one."""
    found: dict[str, list[str]] = {}
    for count in verdict["counts"]:
        found.setdefault(count["outcome"], []).append(count["convention"])
    return found if len(found) > 1 else {}


def _differing_words(verdict: dict[str, Any]) -> str:
    """`refuted at equal trainable parameters, undecided at equal seconds`; empty if all conventions say the same."""
    takes, axes = takes_of(verdict["decide"]["quantity"]), all_axes()
    is_at_equal_size = takes.at_a_size and not takes.of_counts
    told = []
    for outcome, conventions in differing_outcomes(verdict).items():
        said = "undecided" if outcome == "inconclusive" else outcome
        if is_at_equal_size:
            told.append(f"{said} at equal {' and '.join(axes[name].words for name in conventions)}")
        else:
            told.append(f"{said} {' and '.join(axes[name].head for name in conventions)}")
    return ", ".join(told)


def _alike_words(verdict: dict[str, Any]) -> str:
    """Under how many conventions a verdict is the same; empty if it is about one."""
    judged = len(verdict["counts"])
    that = " that were measured" if verdict["not_measured"] else ""
    return f"under all {judged} conventions{that}" if judged > 1 else ""


def number_lines(verdict: dict[str, Any]) -> list[str]:
    """The numbers of a verdict (`to_json`) in short, a line a convention: its outcome, and what was found.

    Of many tasks the one with the median estimate is told, for each condition.
    """
    lines = _convention_lines(verdict["counts"], verdict["numbers"])
    return lines + [f"{name}: not measured" for name in verdict["not_measured"]]


def found_line(verdict: dict[str, Any]) -> str:
    """The numbers of a verdict in one line, each with the arms that it is of.

    Of several conventions each has its outcome before it; of one, the verdict is its outcome.
    """
    numbers = verdict["numbers"]
    conventions, units = ({one[name] for one in numbers} for name in ("convention", "unit"))
    if len(conventions) != 1 or verdict["not_measured"]:
        return "; ".join(number_lines(verdict))
    if len(units) != 1:
        return "; ".join(_told(numbers))
    labels = _labels(Decide.model_validate(verdict["decide"]).conditions)
    return "; ".join(
        f"{label}: {one['words']}" if label else one["words"] for label, one in zip(labels, numbers, strict=True)
    )


def _labels(conditions: Sequence[Condition]) -> list[str]:
    """What each condition of a rule is of, without what all sides share: `grid=2 / grid=5`, `ours / published`."""
    sides = [list(map(_side_words, condition.sides)) for condition in conditions]
    every = list(itertools.chain.from_iterable(sides))
    if len(every) == 1:  # the claim says of what
        return ["" if conditions[0].published is None else "ours / published"]
    shared = set.intersection(*map(set, every))
    labels = []
    for condition, own in zip(conditions, sides, strict=True):
        told = ["published"] if condition.published is not None else []
        for words in own:
            told.append(" ".join(word for word in words if word not in shared))
        labels.append(" / ".join(reversed(told)))
    return labels


def _side_words(side: tuple[str, ...]) -> list[str]:
    """A name and its settings, or that it is the best of several."""
    return side[0].split(" ") if len(side) == 1 else [f"best of {len(side)}"]


def power_words(verdict: dict[str, Any]) -> str:
    """What an inconclusive rule would need, as a sentence; empty of others. Kept verdicts may be older than this."""
    power = verdict.get("power") or ""
    return f"{power[:1].upper()}{power[1:]}." if power else ""


def _convention_lines(counts: Sequence[dict[str, Any]], numbers: Sequence[dict[str, Any]]) -> list[str]:
    """A line a convention: its outcome, and what was found."""
    known = {count["convention"]: count for count in counts}
    conventions = dict.fromkeys(n["convention"] for n in numbers)
    lines = [_count_words(count) for name, count in known.items() if name not in conventions]
    for name in conventions:
        said = f"{_count_words(known[name])}: " if name in known else f"{name}: "
        lines.append(said + "; ".join(_told([n for n in numbers if n["convention"] == name])))
    return lines


def _count_words(count: dict[str, Any]) -> str:
    equal = f", {count['equal']} equal" if count.get("equal") else ""
    tasks = f" ({count['supported']} of {count['tasks']} for it, {count['refuted']} against{equal})"
    outcome = f"{count['outcome']}{tasks if count['tasks'] > 1 else ''}"
    return outcome if count["convention"] == ANY_SIZE else f"{count['convention']}: {outcome}"


def _told(numbers: Sequence[dict[str, Any]]) -> list[str]:
    words = []
    for condition in dict.fromkeys(one["condition"] for one in numbers):
        own = [one for one in numbers if one["condition"] == condition]
        if len(own) == 1:
            words.append(own[0]["words"])
            continue
        known = sorted((one for one in own if one["found"]["estimate"] is not None), key=_estimate)
        middle = known[len(known) // 2] if known else own[0]
        words.append(f"{middle['words']} on {middle['unit']}")
    return words


def _estimate(one: dict[str, Any]) -> float:
    return float(one["found"]["estimate"])
