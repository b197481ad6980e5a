"""`harness.verdicts`: the rules of experiments, judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.base.errors import HarnessError
from harness.base.plain import plain
from harness.judging.verdict import refused_words
from harness.python.shown import Shown
from harness.python.study import Study
from harness.show.figures.rules import rules_figure
from harness.show.tables.verdicts import answer_sentences
from harness.study.answers import answer_of
from harness.study.folders import StudyFile

RULE = ("claim", "rule", "verdict", "axis", "effort", "power")
FOUND = ("estimate", "low", "high", "replicates", "won", "lost")


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts(Shown):
    """The verdicts on the rules of experiments; `answers` are those of `harness verdicts --json`."""

    answers: list[dict[str, Any]]

    @property
    def sentences(self) -> list[str]:
        """A sentence for each rule, then what to know besides, and the next move where runs are missing."""
        said = [f"{answer['name']}: “{rule['claim']}” is {rule['verdict']}." for answer, rule in self._rules()]
        return said + [sentence for answer in self.answers for sentence in answer_sentences(answer)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each rule: its claim, in words what it asks, and the verdict."""
        rows = []
        for answer, rule in self._rules():
            rows.append({"experiment": answer["name"], **{name: rule.get(name) for name in RULE}})
        return pd.DataFrame(rows)

    @property
    def numbers(self) -> pd.DataFrame:
        """A row for each number that a verdict hangs on, one a task."""
        rows = []
        for answer, rule in self._rules():
            for number in rule["numbers"]:
                where = {"experiment": answer["name"], "claim": rule["claim"]}
                named = {name: number[name] for name in ("unit", "outcome")}
                estimate = {name: number["found"][name] for name in FOUND}
                rows.append({**where, **named, **estimate, "refused": refused_words(number) or None})
        return pd.DataFrame(rows)

    def figure(self) -> Figure | None:
        """The numbers with their intervals and limits; None while no rule is judged."""
        return rules_figure([rule for _, rule in self._rules()])

    def _rules(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [(answer, rule) for answer in self.answers for rule in answer["verdicts"]]


def verdicts(*of: Study | str | Path) -> Verdicts:
    """Judge the rules (`decide:`) of experiment files or results folders, as `harness verdicts` does.

    A rule whose runs are missing is `not run`. A HarnessError if a file has no rules.
    """
    if not of:
        raise HarnessError("verdicts(): name at least one experiment file, results folder or study")
    studies = [one if isinstance(one, Study) else StudyFile(Path(one)) for one in of]
    answers = [answer_of(study.file, study.results, study.scale, study.settings) for study in studies]
    return Verdicts([plain(answer) for answer, _ in answers])
