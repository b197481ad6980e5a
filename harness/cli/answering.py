"""What was found of an experiment, on the terminal."""

from collections.abc import Sequence

from harness.judging.headline import Headline, NoHeadline
from harness.judging.judge import Verdict, sentence
from harness.judging.scaling import headline_axes
from harness.show.console import console, print_table
from harness.show.tables.checks import IN_THE_REPORT, checks_table
from harness.show.tables.headline import console_lines
from harness.show.tables.laws import fits_table, held_out_table
from harness.show.tables.table import code_lines
from harness.spec import Manifest, axis_short
from harness.study.analysis import Analysis


def print_fits(manifest: Manifest, analysis: Analysis) -> None:
    """The laws, held-out sizes and checks as tables, and below them what every code in these means."""
    axes = headline_axes(manifest)
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    fits = [fit for fit in analysis.fits if fit.series not in crossed]
    checked = [check for check in analysis.checks if check.series not in crossed]
    shown = [fits_table(fits, axes, axis_short), held_out_table(fits, axes, axis_short)]
    shown += [checks_table(checked, axis_short).without(*IN_THE_REPORT)] if checked else []
    tables = [table.without("axis") for table in shown if table]
    for table in tables:
        print_table(table)
    for line in code_lines(tables):
        console.print(line, soft_wrap=True)


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Each verdict in a sentence."""
    for verdict in verdicts:
        console.print(sentence(verdict), soft_wrap=True)


def print_headline(found: Headline | NoHeadline, verdicts: list[Verdict], last: Sequence[str]) -> None:
    """Who is better at equal size, in at most 16 lines, of which `last` are the closing ones."""
    for line in console_lines(found, verdicts, last):
        console.print(line, soft_wrap=True)
