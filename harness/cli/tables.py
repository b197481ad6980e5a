"""What the command line asks of tables of runs. Heavy rooms are imported where they are needed, as in harness.cli."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from harness.base.errors import HarnessError
from harness.base.files import check_writable, whole_file

if TYPE_CHECKING:
    from rich.table import Table

    from harness.tables.fits import Window
    from harness.tables.forms import Form
    from harness.tables.read import Columns

POSITIVE = click.FloatRange(min=0, min_open=True)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


def _with(options: Sequence[Callable]) -> Callable:
    """A decorator that adds the options, in their order."""

    def decorated(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def json_option(command: Callable) -> Callable:
    """The option --json of every command that has an answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")(command)


# What `harness fit` and `harness compare` ask of a table of runs; all are left out where an experiment is fitted.
table_options = _with(
    (
        click.option("--x", multiple=True, metavar="COLUMN", help="Sizes; repeat to fit several, side by side."),
        click.option("--y", metavar="COLUMN", help="Losses, above 0; smaller is better."),
        click.option("--by", multiple=True, metavar="COLUMN", help="Every value of it is an arm; repeat to cross."),
        click.option("--config", multiple=True, metavar="COLUMN", help="What a run was set to; finds runs read twice."),
        click.option("--seed", metavar="COLUMN", help="What tells the repeats of a config apart."),
        click.option("--status", metavar="COLUMN", help="How a run ended: ok, done, true, … or else it failed."),
        click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only these rows; repeat for several."),
        click.option("--same", multiple=True, metavar="COLUMN", help="Must have one value in a fit; repeat."),
        click.option("--level", type=SHARE, default=0.95, show_default=True, help="Of the intervals."),
        click.option("--min-x", type=POSITIVE, help="The smallest size that is fitted."),
        click.option("--max-x", type=POSITIVE, help="The largest size that is fitted."),
        click.option("--until", type=click.Choice(["minimum"]), help="Fit the sizes up to the least mean loss."),
        click.option(
            "--objective",
            metavar="TEXT",
            default="auto",
            show_default=True,
            help="least_squares, huber, or as published: 'huber_log(delta=1e-3)'.",
        ),
    )
)
fit_options = _with(
    (
        click.option(
            "--law",
            "laws",
            multiple=True,
            metavar="LAW",
            help="pure, floor, shifted or broken; repeat to see several.  [default: auto, which chooses]",
        ),
        click.option("--hold-out", type=click.IntRange(min=0), default=0, help="Largest sizes to predict, not to fit."),
        click.option("--diagnostics", is_flag=True, help="Show leverage, sensitivity, bootstraps of the quoted laws."),
        click.option("--and", "and_", metavar="COLUMN", help="A second size: E + A x^-alpha + B and^-beta."),
        click.option("--isoflop", metavar="COLUMN", help="Training budgets: the best x of each, and its law."),
        click.option("--frontier", type=SHARE, metavar="QUANTILE", help="A law that this share of the runs lie below."),
        click.option(
            "--share",
            type=click.Choice(["floor", "alpha", "both"]),
            help="One floor, exponent, or both, in all arms.",
        ),
        click.option("--out", type=click.Path(path_type=Path), help="Folder for fits.json and figures of the laws."),
    )
)


compare_options = _with(
    (
        click.option(
            "--law",
            type=click.Choice(["pure", "floor", "shifted", "broken"]),
            help="Of both arms.  [default: the richest that either is quoted with by `harness fit`]",
        ),
        click.option("--extrapolate", is_flag=True, help="Also at losses that the two do not both attain, marked."),
        click.option(
            "--aggregate",
            type=click.Choice(["median", "mean_log", "best"]),
            default="median",
            show_default=True,
            help="One number for the runs of a bin; best is the expected best of k, the same k for both.",
        ),
        click.option(
            "--k", type=click.IntRange(min=1), help="For --aggregate best.  [default: the lesser count of each bin]"
        ),
        click.option(
            "--bins", type=click.IntRange(min=1), help="Of equal width in ln size.  [default: as many as sizes]"
        ),
    )
)


def compare_table(file: Path, first: str, second: str, as_json: bool, asked: Mapping[str, Any]) -> None:
    """Do what `harness compare` is asked of a table; `asked` are the values of its options for tables, and `at`."""
    from harness.show.comparison import compare_sentences, compare_tables
    from harness.tables.comparison import Asked, compare_arms, to_json
    from harness.tables.fits import AUTO, Request

    _check_named(file, asked["x"], asked["y"], f"compare {file} {first} {second}")
    if asked["k"] and asked["aggregate"] != "best":
        raise HarnessError(f"--k {asked['k']} is of --aggregate best; a {asked['aggregate']} takes all runs of a bin")
    own = {name: asked[name] for name in ("x", "where", "level", "objective")}
    law, arms = asked["law"] or AUTO, (first, second)
    request = Request(file, columns=_columns(asked), laws=(law,), window=_window(asked), arms=arms, **own)
    asked_of = Asked(asked["at"], asked["extrapolate"], asked["aggregate"], asked["k"], asked["bins"])
    found = compare_arms(request, asked_of)
    text = json.dumps(to_json(found), allow_nan=False, indent=1)
    if as_json:
        click.echo(text)
    else:
        _print(compare_tables(found), compare_sentences(found))
    if asked["out"]:
        from harness.show.plot_comparison import draw_compared

        for path in _write_text(text + "\n", asked["out"] / "compare.json"), *draw_compared(found, asked["out"]):
            click.echo(path, err=as_json)


class _Form(NamedTuple):
    """An option of `harness fit` that asks for something else than laws of single arms, and what goes with it."""

    option: str
    takes: tuple[str, ...]


FORMS: dict[Form, _Form] = {
    "and": _Form("and_", ("--objective",)),
    "isoflop": _Form("isoflop", ()),
    "frontier": _Form("frontier", ("--min-x", "--max-x", "--until")),
    "share": _Form("share", ("--min-x", "--max-x", "--until")),
}
# Of a law, and not of the table that it is fitted to.
FITTING = ("--law", "--min-x", "--max-x", "--until", "--hold-out", "--objective", "--diagnostics")


def given(asked: Mapping[str, Any]) -> list[str]:
    """The options, of those asked for, that stand on the command line."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name in asked and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def _check_named(file: Path, x: Sequence[str], y: str | None, command: str) -> None:
    """Raises HarnessError, with the file's columns, where sizes or losses are not named."""
    from harness.tables.read import read_table

    if not x or not y:
        absent = " and ".join(name for name, given in (("--x", x), ("--y", y)) if not given)
        columns = ", ".join(map(str, read_table(file).columns))
        example = f"harness {command} --x params --y rmse --by arch"
        raise HarnessError(f"{absent}: name the column of sizes and that of losses ({columns}); for example: {example}")


def _columns(asked: Mapping[str, Any]) -> Columns:
    from harness.tables.read import Columns

    return Columns(**{name: asked[name] for name in ("y", "by", "config", "seed", "status", "same")})


def _window(asked: Mapping[str, Any]) -> Window:
    from harness.tables.fits import Window

    return Window(asked["min_x"], asked["max_x"], asked["until"])


def fit_table(file: Path, as_json: bool, asked: Mapping[str, Any]) -> None:
    """Do what `harness fit` is asked of a table; `asked` are the values of `table_options` and `fit_options`."""
    _check_named(file, asked["x"], asked["y"], f"fit {file}")
    form = next((name for name in FORMS if asked[FORMS[name].option] is not None), None)
    _fit_form(file, as_json, form, asked) if form else _fit_laws(file, as_json, asked)


def _fit_laws(file: Path, as_json: bool, asked: Mapping[str, Any]) -> None:
    from harness.show.table_fits import answer_sentences, answer_tables, checklists
    from harness.tables.fits import Request, answer, checks, to_json

    laws = asked["laws"] or ("auto",)
    own = {name: asked[name] for name in ("x", "where", "level", "hold_out", "objective")}
    found = answer(Request(file, columns=_columns(asked), laws=laws, window=_window(asked), **own))
    checked = cache(checks)
    text = json.dumps(to_json(found, checked), allow_nan=False, indent=1) if as_json or asked["out"] else ""
    if as_json:
        click.echo(text)
    else:
        _print(answer_tables(found, checked if asked["diagnostics"] else None), answer_sentences(found))
    if asked["out"]:
        from harness.show.plot_fits import draw_fits

        written = [
            _write_text(text + "\n", asked["out"] / "fits.json"),
            _write_text(checklists(found, checked), asked["out"] / "checklist.md"),
        ]
        for path in (*written, *draw_fits(found, asked["out"])):
            click.echo(path, err=as_json)


def _fit_form(file: Path, as_json: bool, form: Form, asked: Mapping[str, Any]) -> None:
    from harness.show.table_forms import form_sentences, form_tables
    from harness.tables.forms import FormRequest, form_answer, form_json

    there = given(asked)
    others = [f"--{other}" for other in FORMS if other != form and f"--{other}" in there]
    others += [option for option in FITTING if option in there and option not in FORMS[form].takes]
    if others:
        raise HarnessError(f"--{form} does not go with {' and '.join(others)}; leave one of them out")
    if len(asked["x"]) > 1:
        raise HarnessError(f"--{form} takes one --x, and {' and '.join(asked['x'])} were given; fit one at a time")
    own = {name: asked[name] for name in ("where", "level", "objective")}
    told = str(asked[FORMS[form].option])
    found = form_answer(FormRequest(file, form, told, asked["x"][0], _columns(asked), window=_window(asked), **own))
    text = json.dumps(form_json(found), allow_nan=False, indent=1)
    if as_json:
        click.echo(text)
    else:
        _print(form_tables(found), form_sentences(found))
    if asked["out"]:
        click.echo(_write_text(text + "\n", asked["out"] / "fits.json"), err=as_json)


def _print(tables: Iterable[Table], sentences: Iterable[str]) -> None:
    from harness.show.console import console

    for table in tables:
        console.print(table)
    for sentence in sentences:
        console.print(sentence, soft_wrap=True)


def _write_text(text: str, path: Path) -> Path:
    check_writable(path.parent)
    with whole_file(path) as new:
        new.write_text(text, encoding="utf-8")
    return path
