"""`harness.fit`: laws of an experiment or of anybody's table; two arms by their laws; runs and
sizes to train next.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from harness.base.errors import HarnessError, did_you_mean
from harness.judging.by_laws import ComparedByLaws, curves_of_laws
from harness.judging.design import Asked, DesignAnswer, Question
from harness.judging.forms import FormAnswer
from harness.judging.laws import AUTO, SeriesLaws, drawn_law
from harness.judging.request import FitsAnswer, Form, SizeRange, form_asked
from harness.laws.result import LawName
from harness.planning.ladder import Ladder, LadderSetting, ladder_rows, make_ladder, write_ladder
from harness.python.study import Shown, Study, study_of
from harness.record.elsewhere import is_table
from harness.show.figures.forms import design_figure, form_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import named_styles
from harness.show.figures.theme import empty_figure
from harness.show.figures.versus import versus_figure
from harness.show.tables.comparison import laws_sentences, laws_tables
from harness.show.tables.forms import form_frame, form_sentences, form_tables, form_words
from harness.show.tables.laws import law_sentences, law_tables, note_sentences
from harness.show.tables.plans import ladder_table
from harness.show.tables.to_come import design_frame, design_sentences
from harness.show.words import exponent_words
from harness.spec.manifest import Manifest
from harness.study.doors import Door, designed, fits_answer, open_table, runs_of_form, shape_answer
from harness.study.tables import open_experiment

Item = TypeVar("Item", str, float, str | float)

FRAME = Path("the table")  # what a DataFrame is called where a file would be
SEVERAL = ("config", "same")  # of which there may be several columns
MEANINGS = (*SEVERAL, "seed", "status", "group", "schedule", "sd", "ceiling", "chance", "best_of")


@dataclass(frozen=True, eq=False, repr=False)
class Laws(Shown):
    """Scaling laws of series of runs: `answer` has all numbers, as `harness fit --json`."""

    answer: FitsAnswer
    manifest: Manifest | None

    @property
    def sentences(self) -> list[str]:
        """The exponents with their intervals, then what to know of them: refusals and cautions."""
        tables = law_tables(
            self.answer.laws, list(dict.fromkeys(laws.axis for laws in self.answer.laws)), str
        )
        exponents = []
        for laws in self.answer.laws:
            task = f" on {laws.task}" if laws.task else ""
            law = self._drawn(laws)
            open_ = "" if laws.quoted_law else f", by the {law} law, which may not be quoted"
            exponents.append(
                f"{laws.series} by {laws.axis}{task}: {exponent_words(laws.fits[law])}{open_}"
            )
        return [*exponents, *law_sentences(list(tables.values()), self.answer.source)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each task, axis and series: its law, the exponent with its interval, or why
        there is none.
        """
        return pd.DataFrame([_row(laws, self._drawn(laws)) for laws in self.answer.laws])

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each law and place of `predict`: the law's interval, and `run_low` to
        `run_high` of one new run.
        """
        rows = []
        for law in self.answer.ahead:
            for place in law.predictions:
                numbers = {
                    name: getattr(place, name)
                    for name in ("loss", "low", "high", "run_low", "run_high")
                }
                rows.append({"series": law.series, "law": law.law, **place.at, **numbers})
        return pd.DataFrame(rows)

    def _drawn(self, laws: SeriesLaws) -> LawName:
        return drawn_law(self.answer.laws, laws.task, laws.axis)

    def figure(self) -> Figure:
        """Losses against sizes, with the laws."""
        return scaling_figure(self.manifest, self.answer.laws)


@dataclass(frozen=True, eq=False, repr=False)
class Forms(Shown):
    """Another form than a law of one size for each arm: `answer` has all numbers, as `harness fit
    --json` of it.
    """

    answer: FormAnswer[Any]
    runs: Mapping[str, pd.DataFrame]
    predictions = Laws.predictions

    @property
    def sentences(self) -> list[str]:
        """What was fitted, its numbers, what new runs will be, then what to know of all that."""
        tables = list(form_tables(self.answer))
        return [*form_words(self.answer, tables[0]), *form_sentences(tables)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm: the numbers of what was fitted, with the ends of their intervals."""
        return form_frame(self.answer)

    def figure(self) -> Figure:
        """The runs, and what was fitted to them."""
        return form_figure(self.answer, self.runs) or empty_figure(self.sentences[0])


def _row(laws: SeriesLaws, name: LawName) -> dict[str, Any]:
    fit = laws.fits[name]
    where = {"task": laws.task or None, "arm": laws.series, "axis": laws.axis, "law": name}
    ends = (fit.alpha_interval.low, fit.alpha_interval.high) if fit.alpha_interval else (None, None)
    numbers = {"exponent": fit.alpha, "low": ends[0], "high": ends[1], "floor": fit.floor}
    refused = "; ".join(f"{refusal.code}: {refusal.reason}" for refusal in fit.refusals)
    return {
        **where,
        **numbers,
        "sizes": len(laws.sizes),
        "runs": laws.runs,
        "refused": refused or None,
    }


def fit(
    of: pd.DataFrame | Study | str | Path,
    x: str | Sequence[str] = (),
    y: str | None = None,
    by: str | Sequence[str] = (),
    *,
    law: str | Sequence[str] = AUTO,
    level: float = 0.95,
    min_x: float | None = None,
    max_x: float | None = None,
    until: Literal["minimum"] | None = None,
    hold_out: int = 0,
    predict: float | str | Sequence[float | str] = (),
    objective: str = "auto",
    floor: float | None = None,
    and_: str | None = None,
    isoflop: str | None = None,
    frontier: float | None = None,
    compute: str | None = None,
    within: float | None = None,
    **columns: Any,
) -> Laws | Forms:
    """Fit scaling laws to a table of runs, or to an experiment, as `harness fit` does.

    Of a table, `x` is the column of sizes (or several), `y` that of losses, `by` that of arms.
    `config`, `seed`, `status`, `same`, `group`, `schedule`, `sd`, `ceiling`, `chance`, `best_of`
    and `where` are as on the command line. Of an experiment none of these is needed. `predict` are
    new runs: sizes, or `"params=1e9"` where there are several columns of sizes. `and_` (`--and`),
    `isoflop` and `frontier` ask for one other form each, with `compute` and `within` as on the
    command line. A HarnessError names rows that cannot be fitted.
    """
    window = SizeRange(min_x, max_x, until)
    laws = many(law)
    how: dict[str, Any] = {"laws": laws, "level": level, "window": window, "hold_out": hold_out}
    how |= {"objective": objective, "floor": floor, "predict": tuple(map(str, many(predict)))}
    how |= {"compute": compute, "within": within}
    of_options: dict[Form, Any] = {"and": and_, "isoflop": isoflop, "frontier": frontier}
    how["form"], how["value"] = form_asked(of_options, laws)
    with opened(of, x, y, by, columns, how) as door:
        if door.request.form:
            return Forms(shape_answer(door), runs_of_form(door))
        return Laws(fits_answer(door), door.manifest)


@dataclass(frozen=True, eq=False, repr=False)
class ComparisonByLaws(Shown):
    """Two arms of a table by their laws: `compared` has all numbers, as `harness compare TABLE
    --json`.
    """

    compared: ComparedByLaws

    @property
    def sentences(self) -> list[str]:
        """What the second needs for the loss of the first, verdicts, then what to know of them."""
        cautions = note_sentences(laws_tables(self.compared))
        return [*laws_sentences(self.compared), *cautions]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each axis and size of the first arm: how many times that size the second needs
        for its loss. Where no law holds, the ratio of losses at each size that both have.
        """
        rows: list[dict[str, Any]] = []
        for pair in self.compared.sizes:
            found = [
                ("multiplier", place.size, place.multiplier) for place in pair.multiplier.sizes
            ]
            found += [("ratio", place.size, place.ratio) for place in pair.equal_sizes]
            for name, size, times in found:
                ends = {"low": times.interval.low, "high": times.interval.high}
                where = {"task": pair.task, "axis": pair.axis, "size": size}
                rows.append({**where, name: times.value, **ends})
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """The multiplier over sizes, or losses at equal size; or why there is neither."""
        asked, curves, against = curves_of_laws(self.compared)
        drawn = versus_figure(asked, curves, named_styles(self.compared.arms), against=against)
        return drawn or empty_figure(self.sentences[0])


@dataclass(frozen=True, eq=False, repr=False)
class NextDesign(Shown):
    """Which runs to make next: `answer` has all numbers, as `harness design --json`."""

    answer: DesignAnswer
    runs: Mapping[str, pd.DataFrame]

    @property
    def sentences(self) -> list[str]:
        """What each law says now, what every plan is expected to give, and what to know."""
        return list(design_sentences(self.answer))

    @property
    def table(self) -> pd.DataFrame:
        """A row for each place of each plan; `width` is that of the interval to come, over that of
        now.
        """
        return design_frame(self.answer)

    def figure(self) -> Figure:
        """Where the runs of each plan lie."""
        return design_figure(self.answer, self.runs) or empty_figure(self.sentences[0])


def design(
    of: pd.DataFrame | Study | str | Path,
    x: str | Sequence[str] = (),
    y: str | None = None,
    by: str | Sequence[str] = (),
    *,
    question: Question,
    budget: float,
    at: float | str | None = None,
    runs: int = 4,
    law: str = AUTO,
    and_: str | None = None,
    compute: str | None = None,
    arms: tuple[str, ...] = (),
    level: float = 0.95,
    **columns: Any,
) -> NextDesign:
    """Say which runs to make next, as `harness design` does; `and_` is `--and`, and columns are as
    of `fit`.
    """
    how: dict[str, Any] = {"laws": (law,), "arms": arms, "compute": compute, "level": level}
    if and_:
        how |= {"form": "and", "value": and_}
    asked = Asked(question, budget, runs, None if at is None else str(at))
    with opened(of, x, y, by, columns, how) as door:
        return NextDesign(designed(door, asked), door.runs)


@dataclass(frozen=True, eq=False, repr=False)
class Rungs(Shown):
    """A ladder for a training loop: `ladder` has all numbers, as `harness match FACTORY --json`."""

    ladder: Ladder

    @property
    def sentences(self) -> list[str]:
        """What is equal, and what to know before training."""
        cautions = (f"{caution.code}: {caution.reason}" for caution in self.ladder.cautions)
        return [ladder_table(self.ladder).title, *cautions]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each run to make, with the columns of the CSV."""
        return pd.DataFrame([{**row, **sizes} for row, sizes in ladder_rows(self.ladder)])

    def write(self, path: str | Path) -> list[Path]:
        """Write the rungs as CSV, and as YAML beside it."""
        return write_ladder(self.ladder, Path(path))


def match(
    factory: str | Callable[..., Any],
    at: str | float | Sequence[str | float],
    like: str | Callable[..., Any] | None = None,
    **setting: Any,
) -> Rungs:
    """Plan sizes at which modules of your own are equal by one count, as `harness match FACTORY`
    does.

    A factory is a function or class at the top of a module, or its `"package.module:name"`.
    `setting` are `solve`, `axis`, `multiple_of`, `tol`, `tokens_per_param` and `train_flops`, as on
    the command line.
    """
    first, second = (
        f"{one.__module__}:{one.__qualname__}" if callable(one) else one for one in (factory, like)
    )
    return Rungs(
        make_ladder(LadderSetting(str(first), tuple(map(str, many(at))), second, **setting))
    )


def of_runs(of: object) -> bool:
    """Whether this is a table of anybody's runs: a DataFrame, or a file that is none of an
    experiment.
    """
    return isinstance(of, pd.DataFrame) or (isinstance(of, str | Path) and is_table(Path(of)))


def opened(
    of: pd.DataFrame | Study | str | Path,
    x: str | Sequence[str],
    y: str | None,
    by: str | Sequence[str],
    columns: Mapping[str, Any],
    how: Mapping[str, Any],
) -> AbstractContextManager[Door]:
    """What is asked, and the runs that it is asked of."""
    meanings = {
        name: many(value) if name in SEVERAL else value
        for name, value in columns.items()
        if name != "where"
    }
    if unknown := meanings.keys() - {*MEANINGS}:
        raise HarnessError(
            f"`{min(unknown)}` is no argument; {did_you_mean(min(unknown), [*MEANINGS, 'where'])}"
        )
    asked = {"x": many(x), "where": many(columns.get("where")), **how}
    if isinstance(of, pd.DataFrame) or of_runs(of):
        file = FRAME if isinstance(of, pd.DataFrame) else Path(str(of))
        table = of if isinstance(of, pd.DataFrame) else file
        return nullcontext(open_table(table, file, asked, {"y": y, "by": many(by), **meanings}))
    if y is not None or by or meanings:
        raise HarnessError(
            "`y`, `by`: an experiment knows its losses and arms; leave them out, or give a "
            "table of runs"
        )
    manifest, folder = study_of(of).frozen()
    return open_experiment(manifest, folder, folder, asked)


def many(value: Item | Iterable[Item] | None) -> tuple[Item, ...]:
    """A tuple of what is given alone, as several, or not at all."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
