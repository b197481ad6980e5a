"""Two scales of one experiment, claim by claim: does the smaller one foretell the larger one?

Where both train equally long they differ in what else their files say, such as which settings a search tries. Then
the question is whether one finds what the other has found.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judging.answer import NOT_RUN

LONGER = 1.25  # times the training FLOPs of a run, from which on one scale is larger than another


@dataclass(frozen=True)
class Foretold:
    """A claim that was judged at two scales of an experiment: the smaller one first, or both `alike` in training."""

    experiment: str
    claim: str
    scales: tuple[str, str]
    verdicts: tuple[str, str]
    alike: bool

    @property
    def is_same(self) -> bool:
        """Whether both scales come to the same verdict."""
        return self.verdicts[0] == self.verdicts[1]

    @property
    def is_turned(self) -> bool:
        """Whether one scale supports what the other refutes."""
        return set(self.verdicts) == {"supported", "refuted"}


def foretold(answers: Sequence[dict[str, Any]]) -> list[Foretold]:
    """Every claim that was judged at two scales of one file, from `answer_json` of each.

    The scale of less training comes first. Claims are the same where their words are. Answers of before `flops_train`
    count as of no training.
    """
    of_files: dict[str, list[dict[str, Any]]] = {}
    for answer in _by_training(answers):
        of_files.setdefault(Path(answer["file"]).stem, []).append(answer)
    found = []
    for stem, own in of_files.items():
        for smaller, larger in itertools.combinations(own, 2):
            scales = (_scale(smaller, stem), _scale(larger, stem))
            low, high = sorted(map(_flops_of_run, (smaller, larger)))
            alike = high < LONGER * low
            later = _judged(larger)
            for claim, verdict in _judged(smaller).items():
                if claim in later:
                    found.append(Foretold(stem, claim, scales, (verdict, later[claim]), alike))
    return found


def largest_scales(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each file the answer of the scale that trained most."""
    largest = {answer["file"]: answer for answer in _by_training(answers)}
    return [answer for answer in answers if largest[answer["file"]] is answer]


def _by_training(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(answers, key=_flops_of_run)


def _flops_of_run(answer: dict[str, Any]) -> float:
    """The mean, as the number of runs hangs on which rules stayed open."""
    return int(answer.get("flops_train", 0)) / max(1, int(answer.get("runs", 0)))


def _scale(answer: dict[str, Any], stem: str) -> str:
    return str(answer["name"]).removeprefix(stem).removeprefix("-") or "full"


def _judged(answer: dict[str, Any]) -> dict[str, str]:
    verdicts = answer["verdicts"]
    return {one["claim"]: str(one["verdict"]) for one in verdicts if one["verdict"] != NOT_RUN}
