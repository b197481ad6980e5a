"""What a replay is made from, and what its page is made of: texts.toml says what stands beside
tables and pictures.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from harness.judging.laws import SeriesLaws
from harness.record.schema import Record
from harness.show.tables.table import Table, TableCell, table_of
from harness.spec.manifest import Manifest

TEXTS = tomllib.loads(files(__package__).joinpath("texts.toml").read_text(encoding="utf-8"))


class ReplayRuns(NamedTuple):
    """All that came of an experiment: its plan, its table of runs, their laws, and their records by
    run id.
    """

    manifest: Manifest
    table: pd.DataFrame
    fits: Sequence[SeriesLaws]
    records: Mapping[str, Record]


class Picture(NamedTuple):
    """A figure of a page: the stem of its files, what draws it, what it says to who cannot see it,
    and its caption.
    """

    stem: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


class Page(NamedTuple):
    """What a page says: every point (POINT_COLUMNS, and more if need be), figures and tables.

    The `lead`, with which the page begins, says whether it replicates. The first figure stands for
    the whole where there is room for one.
    """

    points: pd.DataFrame
    figures: tuple[Picture, ...]
    lead: tuple[str, ...]
    tables: tuple[Table, ...]


class Replay(NamedTuple):
    """A published figure or table, and how runs of ours become a page about it.

    `place` is where it is in the paper; silent.csv says by it what was chosen where the paper says
    nothing. `claim` is what the paper says of it, and `published` names the tables of
    `harness.paper.reference` that it replays. Two errors are the same up to the factor `tolerance`.
    `arms` is what figures call the arms of the experiment.
    """

    place: str
    title: str
    claim: str
    published: Sequence[str]
    kind: "Kind"
    tolerance: float = 2.0
    arms: Mapping[str, str] = {}


Kind = Callable[[ReplayRuns, Replay], Page]


def picture(name: str, stem: str, draw: Callable[[], Figure], **words: str) -> Picture:
    """A picture with its texts of texts.toml."""
    texts = TEXTS["pictures"][name]
    return Picture(stem, draw, texts["alt"], texts["caption"].format(**words))


def page_tables(
    name: str, rows: Iterable[Iterable[TableCell]], more_numbers: Iterable[str] = (), **words: Any
) -> tuple[Table, ...]:
    """A table with its texts of texts.toml, and with more columns of numbers; none where there are
    no rows.
    """
    texts, cells = TEXTS["tables"][name], list(rows)
    heads: list[str] = []
    for head in texts["columns"]:
        heads += [f"#{name}" for name in more_numbers] if head == "..." else [head.format(**words)]
    title, introduction = (texts[part].format(**words) for part in ("title", "introduction"))
    return (table_of(title, heads, cells, introduction),) if cells else ()
