"""What is learnt: a task as the file says it, and as a run knows it."""

from __future__ import annotations

import math
from datetime import date
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    FiniteFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from harness.base.frozen import Frozen, Positive, left_out_at
from harness.base.outside import installed, place_of_name
from harness.spec.counts import defined

INSTALLED_TASKS = "harness.tasks"  # the entry points by which a package adds some
SPLIT_POINTS = ("train_points", "validation_points", "test_points")
MOST_POINTS = 1_000_000  # of a split: a plan draws them all
MOST_COORDINATES = 100_000_000  # of the points of a split, which then take 0.8 GB
# With what the fingerprint of a file of the user's own begins, so that a run says where its samples
# come from.
DATA_FILE, TEXT_FILE = "data file sha256 ", "text sha256 "
Reading = Literal[
    "currency", "percent", "decimal_comma", "date"
]  # how a column of text is read as numbers
MOST_CATEGORIES = 20  # of a column, each of which becomes an input


def _tuple_if_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Bound = Annotated[
    FiniteFloat | Annotated[tuple[FiniteFloat, ...], Field(min_length=1)],
    BeforeValidator(_tuple_if_list, json_schema_input_type=float | list[float]),
]
SplitSize = Annotated[int, Field(ge=1, le=MOST_POINTS)]
ColumnNames = Annotated[
    Annotated[tuple[str, ...], Field(min_length=1)] | None,
    BeforeValidator(_tuple_if_list, json_schema_input_type=list[str] | None),
]


def _day(value: object) -> object:
    """A day as a file writes it, 2024-01-01; strict reading would ask for a date, which YAML has as
    text.
    """
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("a day is expected; write it as 2024-01-01") from None


def _kind_of_split(value: object) -> str:
    if isinstance(value, SplitBy | SplitAfter):
        return "<by>" if isinstance(value, SplitBy) else "<after>"
    return "<column>" if not isinstance(value, dict) else "<after>" if "after" in value else "<by>"


class SplitBy(Frozen):
    """A split in which all rows of one value of the column `by` (a patient) are together."""

    by: str


class SplitAfter(Frozen):
    """A split in which the rows later than the day `after` are for testing, by a column of dates.

    Without `column` it is the only one that is read as dates.
    """

    after: Annotated[date, BeforeValidator(_day, json_schema_input_type=str)]
    column: str | None = None


class DataFile(Frozen):
    """A table of the user's own, and what of it is learnt: the column `output` from the columns
    `inputs`.

    `data` is a CSV, Parquet or npz file; its path is relative to the experiment file. Without
    `inputs`, all other columns are but those of `leave_out`. An output of text or of true and false
    is learnt as classes, one of numbers as a number; `classes` says it otherwise.

    `numbers` says how a column of text is read as numbers, `encode` which columns of text have one
    input for each of their values, and `missing` what becomes of gaps: `drop` leaves such rows out,
    `median` fills inputs with the median of the training rows and adds an input that says so. Rows
    without an output are left out by both.

    The seed splits the rows, or `split` does: a column that holds train, validation and test, `{by:
    column}` or `{after: day, column: column}`. Or the files `test` and `validation` beside `data`
    do. Where only rows for testing are given, the seed takes those for validation.
    """

    data: str
    output: str
    inputs: ColumnNames = None
    leave_out: ColumnNames = left_out_at(None)
    numbers: dict[str, Reading] = left_out_at({})
    encode: dict[str, Literal["one_hot"]] = left_out_at({})
    missing: Literal["drop", "median"] | None = left_out_at(None)
    classes: bool | None = None
    split: (
        Annotated[
            Annotated[str, Tag("<column>")]
            | Annotated[SplitBy, Tag("<by>")]
            | Annotated[SplitAfter, Tag("<after>")],
            Discriminator(_kind_of_split),
        ]
        | None
    ) = None
    validation: str | None = None
    test: str | None = None

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # two fields are dicts, which have no hash

    @property
    def name(self) -> str:
        """What reports call it: the file without its folder."""
        return PurePath(self.data).name

    @property
    def split_column(self) -> str | None:
        """The column that decides which rows are for what, if there is one."""
        match self.split:
            case SplitBy():
                return self.split.by
            case SplitAfter():
                return self.split.column or next(
                    name for name, reading in self.numbers.items() if reading == "date"
                )
        return self.split

    @model_validator(mode="after")
    def _fields_agree(self) -> DataFile:
        dates = [name for name, reading in self.numbers.items() if reading == "date"]
        if isinstance(self.split, SplitAfter) and not self.split.column and len(dates) != 1:
            raise ValueError(
                f"split: after={self.split.after} of which column? add column: one that holds dates"
            )
        inputs = self.inputs or ()
        if twice := {name for name in inputs if inputs.count(name) > 1}:
            raise ValueError(f"inputs: {', '.join(sorted(twice))} is given twice; keep one")
        for field, column in (("output", self.output), ("split", self.split_column)):
            if column in inputs:
                raise ValueError(
                    f"inputs: {column} is the column of {field} too; take it out of inputs"
                )
        if self.inputs and self.leave_out:
            raise ValueError(
                f"leave_out: {self.leave_out[0]} is left out already, as inputs names all; keep "
                "one of them"
            )
        if self.output in (self.leave_out or ()):
            raise ValueError(
                f"leave_out: {self.output} is the column of output too; take it out of leave_out"
            )
        if read_twice := self.numbers.keys() & self.encode.keys():
            raise ValueError(f"encode: {min(read_twice)} is read as numbers too; keep one of them")
        if self.output in self.encode:
            raise ValueError(
                f"encode: {self.output} is the column of output; say `classes: true` to "
                "learn classes"
            )
        if self.split_column == self.output:
            raise ValueError(
                f"split: {self.output} is the column of output too; name another column"
            )
        if self.split and (self.validation or self.test):
            raise ValueError(
                f"split: {self.split_column} splits the rows, and so do the files; keep one of them"
            )
        if self.validation and not self.test:
            raise ValueError(
                f"validation: {self.validation} needs a file of its own for testing; add test:"
            )
        return self


def _target_in_full(value: Any) -> Any:
    """A task that an installed package adds is `package.module:function`."""
    if not isinstance(value, str) or value not in installed(INSTALLED_TASKS):
        return value
    return place_of_name(value, INSTALLED_TASKS, taken=value in defined("harness.tasks", "TASKS"))


class TextFile(Frozen):
    """A text of the user's own, of which the next character is learnt: a file, or all text files of
    a folder.

    Its path is relative to the experiment file. Eight tenths are for training. With ten files or
    more each is in one split.
    """

    text: str

    @property
    def name(self) -> str:
        """What reports call it: the file without its folder."""
        return PurePath(self.text).name


def _kind_of_target(value: object) -> str:
    if isinstance(value, TextFile) or (isinstance(value, dict) and "text" in value):
        return "<text>"
    return "<file>" if isinstance(value, dict | DataFile) else "<name>"


class Task(Frozen):
    """What is learnt: a target function on a box, and how many points of it are seen.

    `target` is the name of a built-in task, `package.module:function`, or a data file of the user's
    own. A function of the user's own and a family of functions (`additive`) also state `inputs`,
    their number of variables; `instance` is the number of a family's member, the seed of what is
    random in the function. Points are uniform on [low, high]^inputs, or with a list of bounds on a
    box of one interval a variable. `label_noise: 0.1` adds noise of a tenth of the values' standard
    deviation to the values of a function that training and validation see; test values have none. A
    bare string in the file means `{target: <string>}`.

    A PDE (`poisson`) is learnt from `train_points` inside of its domain and `boundary_points` (800)
    on the boundary, by `interior_weight` (0.01) times the mean squared residual inside plus the one
    on the boundary. Test points are then nodes of a quadrature, a whole number a variable. Of data
    (`digits`) a split has all its rows, up to 20,000, where the file does not say how many it
    takes; that is `null`.

    Of sequences (`mess3`) a point is one of `context` tokens, whose next token is learnt at every
    position.
    """

    target: Annotated[
        Annotated[str, Tag("<name>")]
        | Annotated[DataFile, Tag("<file>")]
        | Annotated[TextFile, Tag("<text>")],
        Discriminator(_kind_of_target),
        BeforeValidator(_target_in_full),
    ]
    inputs: PositiveInt | None = None
    low: Bound = -1.0
    high: Bound = 1.0
    train_points: SplitSize | None = 1000
    validation_points: SplitSize | None = 10_000
    test_points: SplitSize | None = 50_000
    label_noise: Positive | None = left_out_at(None)
    boundary_points: SplitSize | None = left_out_at(None)
    interior_weight: Positive | None = left_out_at(None)
    context: PositiveInt | None = left_out_at(None)
    instance: Annotated[int, Field(ge=0)] = left_out_at(0)

    @property
    def name(self) -> str:
        """What reports call its target."""
        return self.target if isinstance(self.target, str) else self.target.name

    @model_validator(mode="before")
    @classmethod
    def _data_have_points_of_their_own(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        written = {
            name: value
            for name, value in fields.items()
            if name not in SPLIT_POINTS or value is not None
        }
        if all(
            name in written for name in SPLIT_POINTS
        ):  # as in a plan, which `harness status` reads without numpy
            return written
        target = written.get("target")
        named = defined("harness.tasks", "TASKS").get(target) if isinstance(target, str) else None
        has_own = named.has_own_points if named else isinstance(target, dict | DataFile | TextFile)
        return dict.fromkeys(SPLIT_POINTS) | written if has_own else written

    @model_validator(mode="after")
    def _points_fit_and_the_box_is_not_empty(self) -> Task:
        for name in SPLIT_POINTS:
            points = getattr(self, name) or 0
            if points * (self.inputs or 1) > MOST_COORDINATES:
                raise ValueError(
                    f"{name}={points}, inputs={self.inputs}: at most {MOST_COORDINATES:,} "
                    "coordinates; take fewer"
                )
        lengths = {len(bound) for bound in (self.low, self.high) if isinstance(bound, tuple)}
        if len(lengths) > 1:
            raise ValueError(
                f"low and high have {min(lengths)} and {max(lengths)} bounds; give one a variable"
            )
        number = max(lengths, default=1)
        for low, high in zip(_bounds(self.low, number), _bounds(self.high, number), strict=True):
            if not low < high:
                raise ValueError(f"low={low} must be below high={high}")
            if not math.isfinite(2 * low) or not math.isfinite(2 * high):
                raise ValueError(
                    f"low={low} and high={high} are too large to be added; choose a smaller box"
                )
        return self


class RunTask(Frozen):
    """A task as a run knows it: everything that decides its numbers, and the fingerprint of the
    target's code.
    """

    target: str
    fingerprint: str
    inputs: PositiveInt
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    train_points: PositiveInt
    validation_points: PositiveInt
    test_points: PositiveInt
    label_noise: Positive | None = left_out_at(None)
    boundary_points: PositiveInt | None = left_out_at(None)
    interior_weight: Positive | None = left_out_at(None)
    instance: Annotated[int, Field(ge=0)] = left_out_at(0)
    classes: Annotated[int, Field(ge=2)] | None = left_out_at(None)
    own_loss: str | None = left_out_at(None)  # the metric of the target's own loss, if it has one
    vocabulary: Annotated[int, Field(ge=2)] | None = left_out_at(
        None
    )  # different tokens of sequences

    @property
    def metric(self) -> str:
        """What the loss of a run is in tables: the RMSE, or where there are classes the mean
        cross-entropy in nats.
        """
        return self.own_loss or ("cross_entropy" if self.classes else "rmse")

    @property
    def outputs(self) -> int:
        """Of a network that learns it: one, or one a class; of sequences one a token of the
        vocabulary and position.
        """
        return self.inputs * self.vocabulary if self.vocabulary else self.classes or 1

    @property
    def is_pde(self) -> bool:
        """Whether it is learnt from an equation, by the network's Laplacian, in place of values."""
        return self.boundary_points is not None

    @property
    def is_data_file(self) -> bool:
        """Whether it is learnt from a file of the user's own, whose rows are kept with the
        results.
        """
        return self.fingerprint.startswith(DATA_FILE)

    @property
    def is_text_file(self) -> bool:
        """Whether it is learnt from a text of the user's own, which is kept with the results."""
        return self.fingerprint.startswith(TEXT_FILE)

    @property
    def points_evaluated(self) -> int:
        """To how many points of an ordinary task an evaluation of all training points amounts.

        A point inside the domain of a PDE has d derivatives and a Laplacian beside its value, each
        of which goes through the layers as a value does: d + 2. What torch executes is that within
        10 % (tests/tasks/test_pde.py).
        """
        if self.boundary_points is None:
            return self.train_points
        return (self.inputs + 2) * self.train_points + self.boundary_points

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The interval of every variable."""
        lows, highs = (_bounds(bound, self.inputs) for bound in (self.low, self.high))
        return tuple(zip(lows, highs, strict=True))


def _bounds(bound: Bound, number: int) -> tuple[float, ...]:
    return bound if isinstance(bound, tuple) else (bound,) * number


TaskEntry = Annotated[
    Task,
    BeforeValidator(
        lambda value: {"target": value} if isinstance(value, str) else value,
        json_schema_input_type=str | Task,
    ),
]
