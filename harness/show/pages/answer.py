"""What a report says first: who is better, by how much, and what became of the rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judging.judge import Verdict, to_json
from harness.show.pages.verdicts import VerdictWords, verdict_part
from harness.show.tables.table import Table
from harness.spec import Manifest


@dataclass(frozen=True)
class AnswerPart:
    """Sentences, a table of ratios at equal size and its figure, what to be careful of, and the rules' verdicts."""

    sentences: tuple[str, ...]
    table: Table | None
    cautions: tuple[str, ...]
    figure: str | None
    verdicts: tuple[VerdictWords, ...]


def answer_part(manifest: Manifest, verdicts: Sequence[Verdict]) -> AnswerPart:
    """Of an experiment."""
    return AnswerPart((), None, (), None, tuple(verdict_part(to_json(verdict)) for verdict in verdicts))
