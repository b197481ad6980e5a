"""What a replay is made from, and what its page is made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from harness.judging.laws import SeriesLaws
from harness.record import Record
from harness.show.tables.table import Table
from harness.spec import Manifest


class ReplayRuns(NamedTuple):
    """All that came of an experiment: its plan, its table of runs, their laws, and their records by run id."""

    manifest: Manifest
    table: pd.DataFrame
    fits: Sequence[SeriesLaws]
    records: Mapping[str, Record]


class Picture(NamedTuple):
    """A figure of a page: the stem of its files, what draws it, what it says to who cannot see it, and its caption."""

    stem: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


class Page(NamedTuple):
    """What a page says: every point (POINT_COLUMNS, and more if need be), figures, sentences from the numbers, tables.

    The first figure and the first finding stand for the whole where there is room for one.
    """

    points: pd.DataFrame
    figures: tuple[Picture, ...]
    findings: tuple[str, ...]
    tables: tuple[Table, ...]


class Replay(NamedTuple):
    """A published figure or table, and how runs of ours become a page about it.

    `place` is where it is in the paper; silent.csv says by it what was chosen where the paper says nothing. `published`
    names the tables of `harness.paper.reference` that it replays. Two errors are the same up to the factor `tolerance`.
    `arms` is what figures call the arms of the experiment.
    """

    place: str
    title: str
    published: tuple[str, ...]
    kind: "Callable[[ReplayRuns, Replay], Page]"
    tolerance: float = 2.0
    arms: Mapping[str, str] = {}
