"""What a report says first: who is better at equal size, by how much, and what became of the rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.base.plain import plain
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.show.figures.headline import headline_figure
from harness.show.figures.series import experiment_styles
from harness.show.pages.page import svg
from harness.show.pages.verdicts import VerdictWords, verdict_part
from harness.show.tables.headline import (
    answer_key,
    answer_sentences,
    answer_table,
    effort_table,
    near_words,
    others_table,
)
from harness.show.tables.table import Table
from harness.spec import Manifest


@dataclass(frozen=True)
class AnswerPart:
    """Sentences; tables of ratios at equal size, of other pairs and by effort; their key, figure, cautions, verdicts.

    `sides` are what the two sides are called; None where there are no two to compare, and the sentence says why.
    """

    sides: tuple[str, str] | None
    sentences: tuple[str, ...]
    table: Table | None
    key: str
    others: Table | None
    efforts: Table | None
    near: str
    cautions: tuple[str, ...]
    figure: Markup | None
    verdicts: tuple[VerdictWords, ...]


def answer_part(manifest: Manifest, found: Headline | NoHeadline, verdicts: Sequence[Verdict]) -> AnswerPart:
    """Of an experiment whose headline and verdicts are known."""
    judged = tuple(verdict_part(plain(verdict)) for verdict in verdicts)
    if isinstance(found, NoHeadline):
        return AnswerPart(None, (found.why,), None, "", None, None, "", (), None, judged)
    sides = (found.first.label, found.second.label)
    return AnswerPart(
        sides=sides,
        sentences=tuple(answer_sentences(found)),
        table=answer_table(found),
        key=answer_key(found),
        others=others_table(found),
        efforts=effort_table(found),
        near=near_words(found),
        cautions=found.cautions,
        figure=_ratios_figure(manifest, found),
        verdicts=judged,
    )


def _ratios_figure(manifest: Manifest, found: Headline) -> Markup | None:
    styles = experiment_styles(manifest, {side.label: side.names for side in found.sides})
    says = f"How many times lower the test loss of {found.first.label} or {found.second.label} is, at equal size"
    return svg(lambda: headline_figure(found, styles), "ratios-figure", says)
