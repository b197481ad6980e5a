"""What is asked of a table of runs, and where the runs are from: the same of an experiment and of
anybody's file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from harness import __version__
from harness.base.errors import HarnessError, did_you_mean
from harness.judging.ahead import Foresight
from harness.judging.laws import AUTO, ORDER, SIGMOID, Fitting, SeriesLaws
from harness.record.elsewhere import Columns


@dataclass(frozen=True)
class SizeRange:
    """The sizes that laws are fitted to, both ends included, up to the least mean loss if asked."""

    low: Annotated[float | None, "the smallest one"] = None
    high: Annotated[float | None, "the largest one"] = None
    until: Annotated[Literal["minimum"] | None, "where they end"] = None


WHOLE = SizeRange()
Form = Literal["and", "isoflop", "frontier", "sigmoid"]
OF_TWO: tuple[Form, ...] = (
    "and",
    "isoflop",
)  # that take a second column of sizes, or one of budgets
# What is said of a law of each series, and which of it each form takes.
TAKEN: dict[Form, tuple[str, ...]] = {
    "and": ("hold_out", "objective", "predict"),
    "isoflop": (),
    "frontier": ("min_x", "max_x", "until"),
    "sigmoid": ("law", "min_x", "max_x", "predict"),
}


@dataclass(frozen=True)
class Request:
    """What to fit: a table, the columns that hold sizes, what the others mean, and how to fit."""

    file: Annotated[Path, "the table, the experiment file or its results folder"]
    x: Annotated[tuple[str, ...], "the columns of sizes"]
    columns: Annotated[
        Columns | None, "which columns say what; null of an experiment, whose columns are known"
    ] = None
    where: Annotated[tuple[str, ...], "only rows with these values"] = ()
    laws: Annotated[tuple[str, ...], "`auto`, or the laws to show side by side"] = (AUTO,)
    level: Annotated[float, "of intervals"] = 0.95
    window: Annotated[SizeRange, "the sizes that laws are fitted to"] = WHOLE
    hold_out: Annotated[
        int, "how many of the largest sizes are set aside; of two sizes, how many budgets"
    ] = 0
    objective: Annotated[str, "what is minimised"] = "auto"
    floor: Annotated[float | None, "the floor of every law, where it is known"] = None
    predict: Annotated[
        tuple[str, ...], "the new runs that were asked for, such as `N=1e9,D=2e10`"
    ] = ()
    compute: Annotated[str | None, "the column of what a run costs; null: 6 N D"] = None
    within: Annotated[
        float | None, "of isoFLOP: how many times a best size others may be off it; null: any"
    ] = None
    seconds: Annotated[str | None, "of two arms over compute: the column of what a run took"] = None
    arms: Annotated[tuple[str, ...], "those wanted; all where empty"] = ()
    form: Annotated[
        Form | None, "the option of another form than a law of each series, such as `isoflop`"
    ] = None
    value: Annotated[str | None, "of that option: a column of sizes or budgets, or a quantile"] = (
        None
    )

    @property
    def second(self) -> tuple[str, ...]:
        """More columns of sizes: one that is crossed with sizes, and those of what runs cost."""
        crossed = self.value if self.form in OF_TWO else None
        return tuple(filter(None, (crossed, self.compute, self.seconds)))

    @property
    def how(self) -> Fitting:
        """As laws are fitted; a law with a known floor is the only one."""
        laws = self.laws if self.floor is None else ("floor",)
        return Fitting(laws, self.level, self.objective, self.floor)


@dataclass(frozen=True)
class Source:
    """Where runs are from."""

    hash: Annotated[str, "of an experiment's plan; of a file its SHA-256"]
    statuses: Annotated[dict[str, int], "runs by how they ended, in the words of the file"]
    seconds_on: Annotated[
        str | None, "the machine that seconds are from; null if they are not measured"
    ] = None
    harness: Annotated[str, "its version"] = __version__


@dataclass(frozen=True)
class FitsAnswer:
    """The laws of a table of runs. [fitting.md](fitting.md) explains the numbers.

    Of an experiment `results/NAME/fits.json` has the same. So has one in a folder that is named.
    """

    request: Annotated[
        Request | None, "what was asked; null of an experiment's own axes, window and laws"
    ]
    source: Annotated[Source, "where the runs are from"]
    laws: Annotated[list[SeriesLaws], "one a task, series and axis"]
    ahead: Annotated[
        Sequence[Foresight], "of the laws to quote: their largest budgets foreseen, and new runs"
    ] = ()


def check_request(request: Request) -> None:
    """Raises HarnessError for laws that are not known, for what does not go together, and for
    windows of nothing.
    """
    asked, window, columns = request.laws, request.window, request.columns
    for name in asked:
        if name not in (*ORDER, AUTO, SIGMOID):
            raise HarnessError(
                f"`law` {name!r} is not known; {did_you_mean(name, (*ORDER, AUTO, SIGMOID))}"
            )
    if AUTO in asked and len(asked) > 1:
        raise HarnessError(
            f"`law` auto chooses between laws by itself; leave out {asked[asked[0] == AUTO]}"
        )
    if SIGMOID in asked and (
        request.form != SIGMOID or len(asked) > 1 or columns is None or columns.group
    ):
        raise HarnessError(
            "`law` sigmoid stands alone, and is of a table of scores, without groups or a "
            "comparison"
        )
    if columns and columns.chance is not None and SIGMOID not in asked:
        raise HarnessError(
            f"`chance` {columns.chance:g} is of the sigmoid; say it as `law`, or leave `chance` out"
        )
    if columns and columns.schedule and (request.form != "and" or not columns.group):
        raise HarnessError(
            f"`schedule` {columns.schedule!r} is of checkpoints under a law of two sizes: name "
            "the column of the "
            "second size (`and`) and that of runs (`group`), or keep the last row of each run and "
            "leave it out"
        )
    once = [name for name in ("best_of", "sd", "group") if columns and getattr(columns, name)]
    if len(once) > 1 or (once == ["best_of"] and request.form in ("frontier", SIGMOID)):
        raise HarnessError(
            f"`{once[0]}` does not go with `{(*once, request.form)[1]}`; leave one of them out"
        )
    if once == ["sd"] and request.form not in (None, SIGMOID):
        raise HarnessError("`sd` is of laws of one size and of sigmoids; leave it out")
    if request.floor is not None and (request.form or not {*asked} <= {AUTO, "floor"}):
        raise HarnessError(
            f"`floor` {request.floor:g} is of the law `floor` of one size; leave out the other one"
        )
    if request.compute and request.form != "and":
        raise HarnessError(
            "`compute` goes with a second size (`and`): a run of one size costs its size; "
            "leave it out"
        )
    if request.within and (request.form != "isoflop" or request.within <= 1):
        raise HarnessError(
            f"`within` {request.within:g}: give a factor above 1, with `isoflop`, whose sizes "
            "it is of"
        )
    low, high = window.low, window.high
    if len(request.x) > 1 and (low, high) != (None, None):
        raise HarnessError(
            f"a window is in the unit of one size; fit {' and '.join(request.x)} one at a time"
        )
    if low is not None and high is not None and low >= high:
        raise HarnessError(
            f"`min_x` {low:g} is not below the largest size, {high:g}; leave sizes between them"
        )


def form_asked(values: Mapping[Form, Any], laws: Sequence[str]) -> tuple[Form | None, str | None]:
    """The form that is asked for, with the value of its option; a HarnessError if there are
    several.
    """
    forms: dict[Form, str | None] = {
        form: str(value) for form, value in values.items() if value is not None
    }
    if SIGMOID in laws:
        forms[SIGMOID] = None
    if len(forms) > 1:
        raise HarnessError(f"{_named(*forms)} are forms of their own; ask for one at a time")
    return next(iter(forms.items()), (None, None))


def check_form(request: Request) -> None:
    """Raises HarnessError for what does not go with the form that is asked for."""
    form, window = request.form, request.window
    assert form
    law, objective = request.laws != (AUTO,), request.objective != "auto"
    said: dict[str, Any] = {
        "law": law,
        "hold_out": request.hold_out,
        "objective": objective,
        "predict": request.predict,
    }
    said |= {
        "min_x": window.low is not None,
        "max_x": window.high is not None,
        "until": window.until,
    }
    if others := [name for name, value in said.items() if value and name not in TAKEN[form]]:
        raise HarnessError(
            f"{_named(form)} does not go with {_named(*others)}; leave one of them out"
        )
    if len(request.x) > 1:
        were = f"{' and '.join(request.x)} were given; fit one at a time"
        raise HarnessError(f"{_named(form)} takes one column of sizes (`x`), and {were}")


def _named(*fields: str) -> str:
    return " and ".join("`law` sigmoid" if field == SIGMOID else f"`{field}`" for field in fields)
