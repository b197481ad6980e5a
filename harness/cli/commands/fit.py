"""`harness fit`: the laws of an experiment, or of a table of anybody's runs."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click

from harness.base.errors import HarnessError
from harness.base.files import check_writable, whole_file
from harness.base.json_text import json_text, write_json
from harness.cli.answering import print_fits
from harness.cli.options import json_option, results_option, together
from harness.cli.tables import (
    SHARE,
    check_named,
    columns_of,
    given,
    is_of_table,
    print_answer,
    table_options,
    window_of,
)
from harness.comparison.tables.fits import FitsAnswer, Request, answer, checks, fits_answer
from harness.comparison.tables.forms import Form, FormAnswer, FormRequest, form_answer
from harness.laws.frontier import Frontier
from harness.laws.isoflop import Isoflop
from harness.laws.shared import SharedFit
from harness.laws.surface import Surface
from harness.show.console import TERMINAL
from harness.show.figures.fits import draw_fits
from harness.show.tables.fits import answer_sentences, answer_tables, checklists
from harness.show.tables.forms import form_sentences, form_tables
from harness.study.analysis import FitsSaid, analyse, fits_said, keep_analysis
from harness.study.folders import frozen_plan, planned_records


class FormOption(NamedTuple):
    """An option that asks for something else than laws of single arms, and what of `FITTING` goes with it."""

    name: str
    takes: tuple[str, ...]


FORMS: dict[Form, FormOption] = {
    "and": FormOption("and_", ("--objective",)),
    "isoflop": FormOption("isoflop", ()),
    "frontier": FormOption("frontier", ("--min-x", "--max-x", "--until")),
    "share": FormOption("share", ("--min-x", "--max-x", "--until")),
}
# Of a law, and not of the table that it is fitted to.
FITTING = ("--law", "--min-x", "--max-x", "--until", "--hold-out", "--objective", "--diagnostics")

# What only this command asks of a table; all are left out where an experiment is fitted.
fit_options = together(
    click.option(
        "--law",
        "laws",
        multiple=True,
        metavar="LAW",
        help="pure, floor, shifted or broken. Repeat it to see several.  [default: auto, which chooses]",
    ),
    click.option(
        "--hold-out",
        type=click.IntRange(min=0),
        default=0,
        help="How many of the largest sizes to predict, not to fit.",
    ),
    click.option("--diagnostics", is_flag=True, help="Show what a law depends on: leverage, sensitivity, bootstraps."),
    click.option("--and", "and_", metavar="COLUMN", help="The column of a second size: E + A x^-alpha + B and^-beta."),
    click.option(
        "--isoflop", metavar="COLUMN", help="The column of training budgets: the best x of each, and its law."
    ),
    click.option(
        "--frontier", type=SHARE, metavar="QUANTILE", help="Fit the law that this share of the runs lies below."
    ),
    click.option(
        "--share",
        type=click.Choice(["floor", "alpha", "both"]),
        help="All arms share one floor, one exponent, or both.",
    ),
    click.option("--out", type=click.Path(path_type=Path), help="Folder for fits.json and figures of the laws."),
)


@click.command(epilog="Example: harness fit runs.csv --x params --y rmse --by arch --config shape --seed seed")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE|FOLDER|TABLE")
@results_option
@table_options
@fit_options
@json_option(
    {
        "fit FILE": FitsSaid,
        "fit TABLE": FitsAnswer,
        "fit TABLE --and COLUMN": FormAnswer[Surface],
        "fit TABLE --isoflop COLUMN": FormAnswer[Isoflop],
        "fit TABLE --frontier QUANTILE": FormAnswer[Frontier],
        "fit TABLE --share WHAT": FormAnswer[SharedFit],
    }
)
def fit(file: Path, results: Path, as_json: bool, **asked: Any) -> None:
    """Fit scaling laws to an experiment, or to a table of runs.

    FILE is an experiment: this writes runs.csv, runs.parquet and fits.json. The options for tables do not apply.

    FILE is a table: .csv, .tsv (or .gz of them) or .parquet, one row a run. Rows that cannot be fitted are named, not
    left out. A run is ok if its --status is ok, done, true, 1, yes, success, succeeded, complete, completed or
    finished; others failed and are counted. Columns called metric, convention, hardware or dtype that no option names
    must have one value in a fit. If the data do not support a law, a code stands in place of its exponent
    (docs/codes.md).
    """
    if is_of_table(file, asked):
        _fit_table(file, as_json, asked)
        return
    manifest, folder = frozen_plan(file, results)
    analysis = analyse(manifest, planned_records(manifest, folder), folder, TERMINAL)
    if as_json:
        click.echo(json_text(fits_said(manifest, analysis)))
    else:
        print_fits(manifest, analysis)
    keep_analysis(manifest, analysis, folder)


def _fit_table(file: Path, as_json: bool, asked: Mapping[str, Any]) -> None:
    """Do what is asked of a table; `asked` are the values of `table_options` and `fit_options`."""
    check_named(file, asked["x"], asked["y"], f"fit {file}")
    form = next((form for form, option in FORMS.items() if asked[option.name] is not None), None)
    if form:
        _fit_form(file, as_json, form, asked)
    else:
        _fit_laws(file, as_json, asked)


def _fit_laws(file: Path, as_json: bool, asked: Mapping[str, Any]) -> None:
    laws = asked["laws"] or ("auto",)
    own = {name: asked[name] for name in ("x", "where", "level", "hold_out", "objective")}
    found = answer(Request(file, columns=columns_of(asked), laws=laws, window=window_of(asked), **own))
    checked = cache(checks)
    said = fits_answer(found, checked) if as_json or asked["out"] else None
    if as_json:
        click.echo(json_text(said))
    else:
        print_answer(answer_tables(found, checked if asked["diagnostics"] else None), answer_sentences(found))
    if asked["out"]:
        check_writable(asked["out"])
        checklist = asked["out"] / "checklist.md"
        with whole_file(checklist) as new:
            new.write_text(checklists(found, checked), encoding="utf-8")
        for path in (write_json(said, asked["out"] / "fits.json"), checklist, *draw_fits(found, asked["out"])):
            click.echo(path, err=as_json)


def _fit_form(file: Path, as_json: bool, form: Form, asked: Mapping[str, Any]) -> None:
    there = given(asked)
    others = [f"--{other}" for other in FORMS if other != form and f"--{other}" in there]
    others += [option for option in FITTING if option in there and option not in FORMS[form].takes]
    if others:
        raise HarnessError(f"--{form} does not go with {' and '.join(others)}; leave one of them out")
    if len(asked["x"]) > 1:
        raise HarnessError(f"--{form} takes one --x, and {' and '.join(asked['x'])} were given; fit one at a time")
    own = {name: asked[name] for name in ("where", "level", "objective")}
    value = str(asked[FORMS[form].name])
    request = FormRequest(file, form, value, asked["x"][0], columns_of(asked), window=window_of(asked), **own)
    found = form_answer(request)
    if as_json:
        click.echo(json_text(found))
    else:
        print_answer(form_tables(found), form_sentences(found))
    if asked["out"]:
        check_writable(asked["out"])
        click.echo(write_json(found, asked["out"] / "fits.json"), err=as_json)
