"""`harness fit`: the laws of an experiment, or of a table of anybody's runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.base.errors import HarnessError
from harness.base.files import check_writable, whole_file
from harness.base.json_text import write_json
from harness.cli.options import PATH, POSITIVE, Count, Sectioned, json_option, results_option
from harness.cli.showing import answer
from harness.cli.tables import (
    SHARE,
    TABLE_SECTION,
    given,
    is_of_table,
    laws_of_experiment,
    laws_shown,
    opened,
    table_options,
)
from harness.show.console import TERMINAL
from harness.spec.counts import axis_words

if TYPE_CHECKING:
    from harness.judging.request import Form
    from harness.study.doors import Door

FORMS: tuple[Form, ...] = (
    "and",
    "isoflop",
    "frontier",
)  # the options of other forms
SECTIONS = TABLE_SECTION | {
    "One law for each arm": (
        "laws",
        "floor",
        "min_x",
        "max_x",
        "until",
        "hold_out",
        "predict",
        "objective",
        "diagnostics",
    ),
    "Another form of law": ("and", "compute", "isoflop", "within", "frontier"),
}


@click.command(
    cls=Sectioned,
    sections=SECTIONS,
    epilog="Example: harness fit runs.csv --x params --y rmse --by arch --config shape --seed seed",
)
@click.argument("file", type=PATH, metavar="FILE|FOLDER|TABLE")
@results_option
@table_options
@click.option(
    "--law",
    "laws",
    multiple=True,
    metavar="LAW",
    help=(
        "pure, floor, shifted or broken, or of scores sigmoid. Repeat it to see several.  "
        "[default: auto, chooses]"
    ),
)
@click.option(
    "--chance",
    type=float,
    metavar="NUMBER",
    help="With --law sigmoid: y by guessing.  [default: fitted]",
)
@click.option(
    "--floor", type=POSITIVE, metavar="NUMBER", help="A known floor E of the law E + A x^-alpha."
)
@click.option(
    "--hold-out",
    type=Count(min=0),
    default=0,
    help="Largest sizes (with --and: budgets) that are only predicted.",
)
@click.option(
    "--predict",
    multiple=True,
    metavar="PLACE",
    help=(
        "Predict a new run: of a size, 1e9; with --and N=1e9,D=2e10, or C=1e21 for its best N "
        "and D. Repeat it."
    ),
)
@click.option(
    "--compute",
    metavar="COLUMN",
    help="With --and: what a run costs.  [default: 6 times x times z]",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Rows with one value here, as checkpoints of one run, are one group.",
)
@click.option(
    "--schedule",
    metavar="COLUMN",
    help=(
        "With --and and --group, of checkpoints: the learning rate as a share of its peak, 1 to 0."
    ),
)
@click.option(
    "--objective",
    metavar="TEXT",
    default="auto",
    show_default=True,
    help="least_squares, huber, or as published: 'huber_log(delta=1e-3)'.",
)
@click.option(
    "--diagnostics",
    is_flag=True,
    help="Show what a law depends on: leverage, sensitivity, bootstraps.",
)
@click.option(
    "--and",
    "and",
    metavar="COLUMN",
    help="The column of a second size, z: E + A x^-alpha + B z^-beta.",
)
@click.option(
    "--isoflop",
    metavar="COLUMN",
    help="The column of training budgets: fit a law to the best x of each.",
)
@click.option(
    "--within",
    type=POSITIVE,
    metavar="FACTOR",
    help="With --isoflop: only sizes so near to the best one.",
)
@click.option(
    "--frontier",
    type=SHARE,
    metavar="QUANTILE",
    help="Fit a law below which this share of the runs lies.",
)
@click.option("--out", type=PATH, help="Folder for fits.json and figures of the laws.")
@json_option
def fit(file: Path, results: Path, as_json: bool, **asked: Any) -> None:
    """Fit scaling laws to an experiment, or to a table of runs.

    FILE is an experiment: this writes runs.csv, runs.parquet and fits.json. With options it fits
    what they ask for, on the headline axes or on those of --x, which are columns of runs.csv, and
    writes to --out alone.

    FILE is a table: .csv, .tsv (or .gz of them) or .parquet, one row a run. Rows that cannot be
    fitted are named, not left out. A run is ok if its --status is ok, done, true, 1, yes, success,
    succeeded, complete, completed or finished; others failed and are counted. Columns called
    metric, convention, hardware or dtype that no option names must have one value in a fit. If the
    data do not support a law, a code stands in place of its exponent (docs/codes.md).
    """
    if not is_of_table(file, asked) and not given(asked):
        _fit_experiment(file, results, as_json)
        return
    from harness.judging.laws import AUTO
    from harness.judging.request import form_asked

    more = {name: asked[name] for name in ("hold_out", "predict", "within", "floor", "objective")}
    more["laws"] = asked["laws"] or (AUTO,)
    form, more["value"] = form_asked({name: asked[name] for name in FORMS}, asked["laws"])
    if form and asked["diagnostics"]:
        raise HarnessError(
            "`diagnostics` are of a law of each series; leave out the option of another form"
        )
    more["form"] = form
    with opened(file, results, asked, f"fit {file}", **more) as door:
        if form is None:
            _fit_laws(door, as_json, asked)
        else:
            _fit_form(door, as_json, asked["out"])


def _fit_experiment(file: Path, results: Path, as_json: bool) -> None:
    from harness.study.analysis import analyse, fits_of, keep_analysis
    from harness.study.folders import StudyFile
    from harness.study.tables import keeping_fits

    plan, folder = StudyFile(file, results).frozen()
    with keeping_fits(folder, TERMINAL):
        analysis = analyse(plan, folder)
    answer(fits_of(plan, analysis), as_json, laws_of_experiment(plan, analysis))
    keep_analysis(plan, analysis, folder)


def _fit_form(door: Door, as_json: bool, out: Path | None) -> None:
    from harness.show.tables.forms import form_sentences, form_tables
    from harness.study.doors import runs_of_form, shape_answer

    fitted = shape_answer(door)
    tables = list(form_tables(fitted))
    answer(fitted, as_json, [*tables, *form_sentences(tables)])
    if out:
        from harness.show.figures.forms import form_figure
        from harness.show.figures.theme import write_figure

        check_writable(out)
        figure = form_figure(fitted, runs_of_form(door))
        drawn = write_figure(figure, out / str(door.request.form))
        for path in (write_json(fitted, out / "fits.json"), *drawn):
            click.echo(path, err=as_json)


def _fit_laws(door: Door, as_json: bool, asked: Mapping[str, Any]) -> None:
    from harness.show.tables.laws import IN_THE_REPORT, checklists
    from harness.study.doors import fits_answer

    request, manifest, out = door.request, door.manifest, asked["out"]
    fits = fits_answer(door, checks=bool(as_json or out or asked["diagnostics"]))
    hidden = () if asked["diagnostics"] else IN_THE_REPORT
    answer(fits, as_json, laws_shown(fits, request.x, axis_words if manifest else str, hidden))
    if out:
        from harness.show.figures.residuals import residuals_figure
        from harness.show.figures.scaling import scaling_figure
        from harness.show.figures.theme import write_figure

        check_writable(out)
        checklist = out / "checklist.md"
        with whole_file(checklist) as new:
            new.write_text(
                checklists(fits.laws, f"{request.file.name}, {door.source.hash}"),
                encoding="utf-8",
            )
        scaling = write_figure(scaling_figure(manifest, fits.laws), out / "scaling")
        residuals = write_figure(residuals_figure(manifest, fits.laws), out / "residuals")
        for path in (write_json(fits, out / "fits.json"), checklist, *scaling, *residuals):
            click.echo(path, err=as_json)
