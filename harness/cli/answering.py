"""What was found of an experiment or of a table of runs, on the terminal."""

from collections.abc import Callable, Iterable, Sequence

from harness.judging.judge import sentence
from harness.judging.request import FitsAnswer
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.show.console import console, print_table
from harness.show.tables.headline import console_lines
from harness.show.tables.laws import IN_THE_REPORT, law_sentences, law_tables, uncrossed
from harness.show.tables.table import Table
from harness.spec import Manifest, axis_short
from harness.study.analysis import Analysis, fits_of


def print_fits(manifest: Manifest, analysis: Analysis) -> None:
    """The laws, held-out sizes and checks of an experiment, on its headline axes."""
    found = fits_of(manifest, analysis._replace(laws=uncrossed(manifest, analysis.laws)))
    print_laws(found, headline_axes(manifest), axis_short, IN_THE_REPORT)


def print_laws(
    found: FitsAnswer, axes: Sequence[str], called: Callable[[str], str], hidden: Sequence[str] = ()
) -> None:
    """Laws as tables, without the hidden columns, and below them what to know."""
    tables = [table.without(*hidden) for table in law_tables(found.laws, axes, called).values()]
    print_answer(tables, law_sentences(tables, found.source))


def print_answer(tables: Iterable[Table], sentences: Iterable[str]) -> None:
    """Print the tables, and below them what is to be said of them."""
    for table in tables:
        print_table(table)
    for line in sentences:
        console.print(line, soft_wrap=True)


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Each verdict in a sentence."""
    for verdict in verdicts:
        console.print(sentence(verdict), soft_wrap=True)


def print_headline(found: Headline | NoHeadline, verdicts: Sequence[Verdict], last: Sequence[str]) -> None:
    """Who is better at equal size, in at most 16 lines, of which `last` are the closing ones."""
    for line in console_lines(found, verdicts, last):
        console.print(line, soft_wrap=True)
