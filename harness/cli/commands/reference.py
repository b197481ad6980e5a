"""`harness reference`: what the KAN paper published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from harness.base.errors import HarnessError
from harness.base.formats import plural
from harness.base.plain import Rows
from harness.cli.options import json_option
from harness.cli.showing import answer
from harness.show.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

ROWS_SHOWN = 60
DIGITS = 5  # of a number; none is published with more


@click.command(
    epilog="Example: harness reference toy_scaling --where task=exp2d --where family=kan"
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--where",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Only rows with this value. Repeat it for several.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV on standard output, nothing else.")
@json_option
def reference(name: str | None, where: tuple[str, ...], as_csv: bool, as_json: bool) -> None:
    """Show what the KAN paper published, and what is wrong in it.

    Without NAME, this lists the tables. Each row has its source, how sure it is, and the errata
    (mistakes of the paper) that concern it. `--where errata=E1` shows the rows of one erratum;
    `harness reference errata` explains all.
    """
    from harness.paper import reference as published
    from harness.record import elsewhere
    from harness.show.tables import frames

    if as_csv and as_json:
        raise HarnessError(
            "--csv and --json are two answers to one question; leave one of them out"
        )
    if name:
        table = published.load(name)
    else:
        rows = [len(published.load(name)) for name in published.names()]
        contents = published.TABLES.assign(rows=rows)[["table", "rows", "place", "what"]]
        table = contents.rename(columns={"place": "in the paper", "what": "what it holds"})
    texts = table.astype(object).where(table.notna(), "")
    if "errata" in table:  # a condition on them is met by any of a row's
        texts = texts.assign(errata=texts["errata"].str.split(" ")).explode("errata")
    table = table.loc[elsewhere.select(texts, where).index.unique()]
    if as_csv:
        click.echo(table.to_csv(index=False), nl=False)
    else:
        parts = _errata_lines(table) if name == "errata" else _shown(name, table)
        answer(Rows(tuple(frames.plain(table).to_dict("records"))), as_json, parts)


def _shown(name: str | None, table: pd.DataFrame) -> Iterator[str | Table]:
    """What the table is, its first rows, and what to know of them."""
    import pandas as pd

    from harness.paper import reference as published
    from harness.show.tables import frames

    if name:
        about = published.TABLES[published.TABLES["table"] == name].iloc[0]
        yield f"{name}: {about['what']} ({about['place']})"
    alike = [column for column in table if len(table[column].unique()) == 1 < len(table)]
    if same := [
        f"{column}={value}" for column, value in table[alike].iloc[0].items() if not pd.isna(value)
    ]:
        yield f"all rows: {', '.join(same)}"
    yield frames.table_of_frame("", table.drop(columns=alike).head(ROWS_SHOWN), DIGITS)
    if not name:
        yield from (f"{word}: {what}" for word, what in published.CONFIDENCE.items())
    if len(table) > ROWS_SHOWN:
        yield (
            f"{len(table):,} rows, the first {ROWS_SHOWN} shown: choose with --where, or "
            "take all with --csv"
        )
    if "errata" in table:
        counts = table["errata"].str.split().explode().value_counts()
        for erratum in published.load("errata").to_dict("records"):
            if rows := counts.get(erratum["erratum"]):
                yield (
                    f"{erratum['erratum']}, {plural(rows, 'row')}: {erratum['place']}. "
                    f"{erratum['finding']}"
                )
    if "confidence" in table:
        sources = published.load("sources").set_index("source")
        for key in table["source"].unique():
            yield f"{key}: {sources.loc[key, 'what']} ({sources.loc[key, 'where']})"


def _errata_lines(table: pd.DataFrame) -> Iterator[str]:
    """The errata in words, each with the rows that it concerns."""
    from harness.paper import reference as published

    concerned: dict[str, list[str]] = {}
    for name in published.names():
        if "errata" in (other := published.load(name)):
            for erratum, rows in other["errata"].str.split().explode().value_counts().items():
                concerned.setdefault(str(erratum), []).append(f"{rows} of {name}")
    for row in table.fillna("").to_dict("records"):
        yield f"{row['erratum']}. {row['place']} ({row['certainty']}). {row['finding']}"
        yield f"    Evidence ({row['source']}, {row['confidence']}): {row['evidence']}"
        if row["correction"]:
            yield f"    Instead: {row['correction']}"
        if rows_concerned := concerned.get(row["erratum"]):
            yield f"    Rows: {', '.join(rows_concerned)}"
