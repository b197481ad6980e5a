"""Data files of the user's own: their rows, who splits them, and how they are kept (`keeping.py`).

The seed splits the rows as it does those of other data (`data.py`). Rows of equal inputs go into
one split together, so that no network is tested on what it was trained on. Or the user splits the
rows, by a column or by files.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.spec.task import DATA_FILE
from harness.tasks.data import HELD_BACK, Data, in_proportion
from harness.tasks.loss import SPLITS
from harness.tasks.samples import stream

BY_SEED = -1  # the part of rows that the seed shares out; else the place in SPLITS

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class FileData(Data):
    """Data of a file. `parts` [n] says who splits each row, and `split_words` how, if it is not the
    seed alone.

    Rows of one number in `together` [n] go into one split; without it, rows of equal inputs do.
    `notes` are what the user should know of the table.
    """

    parts: Rows = field(kw_only=True)
    together: Rows | None = None
    split_words: str = ""
    notes: tuple[str, ...] = ()

    @property
    def by_seed(self) -> list[str]:
        """The splits that have no rows of their own; they take theirs from the rows that the seed
        shares out.
        """
        return [name for place, name in enumerate(SPLITS) if not (self.parts == place).any()]

    @cached_property
    def groups(self) -> Rows:
        """The number of each row's group [n], which goes into one split."""
        return self._of_equal_inputs if self.together is None else self.together

    @cached_property
    def _of_equal_inputs(self) -> Rows:
        rows = np.ascontiguousarray(self.x + 0.0)  # -0.0 equals 0.0, but has other bytes
        whole_rows = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        return np.unique(whole_rows, return_inverse=True)[1]

    @property
    def repeated(self) -> int:
        """How many rows have the inputs of an earlier row."""
        return len(self.x) - len(np.unique(self._of_equal_inputs))

    @cached_property
    def points(self) -> dict[str, int]:
        """How many points each split has under every seed, by the field of a task that says how
        many it takes.

        Rows of equal inputs are not parted, so that up to a group of them can be left out where a
        split ends.
        """
        points = {name: int((self.parts == place).sum()) for place, name in enumerate(SPLITS)}
        free = np.flatnonzero(self.parts == BY_SEED)
        held, to_train = len(free) // HELD_BACK, len(free)
        largest = int(np.bincount(self.groups[free]).max()) if len(free) else 0
        for name in ("test", "validation"):
            if name in self.by_seed:
                points[name] = held
                to_train -= held + largest - 1
        if "train" in self.by_seed:
            points["train"] = to_train
        return {f"{name}_points": points[name] for name in SPLITS}

    @property
    def pool(self) -> int:  # type: ignore[override]
        """All rows that training may have; 0 where the file says which rows are for testing."""
        return super().pool if "test" in self.by_seed else 0

    @property
    def parts_words(self) -> str:
        """Who splits the rows."""
        split = f", {self.split_words}" if self.split_words else ""
        if "test" in self.by_seed:
            return f"{super().parts_words}{split}"
        takes = "; of those not for testing, the seed takes a fifth for validation"
        return f"{len(self.x):,} rows{split}{takes if 'validation' in self.by_seed else ''}"

    def rows(self, seed: int) -> dict[str, Rows]:
        """The rows of each split under a seed, in the order in which they are taken."""
        generator = stream(seed, "split")
        rows: dict[str, Rows] = {
            name: self._in_order(np.flatnonzero(self.parts == place), generator)[0]
            for place, name in enumerate(SPLITS)
            if name not in self.by_seed
        }
        free, ends = self._in_order(np.flatnonzero(self.parts == BY_SEED), generator)
        held, begin = len(free) // HELD_BACK, 0
        for name in ("test", "validation"):
            if name in self.by_seed:
                rows[name] = free[begin : begin + held]
                begin = int(
                    ends[np.searchsorted(ends, begin + held)]
                )  # the rest of the last group is left out
        return {"train": free[begin:], **rows}

    def _in_order(self, rows: Rows, generator: np.random.Generator) -> tuple[Rows, Rows]:
        """The rows in an order by chance, equal ones side by side and classes in proportion; where
        each group ends.
        """
        _, first, group, sizes = np.unique(
            self.groups[rows], return_index=True, return_inverse=True, return_counts=True
        )
        classes = self.y[rows[first]] if self.classes else np.zeros(len(first))
        order = in_proportion(classes, generator)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return rows[np.argsort(place[group], kind="stable")], np.cumsum(sizes[order])

    # ----------------------------------------------------------------------------------------------
    # keeping
    @property
    def version_of_content(self) -> str:
        """What stands for the content in a run's identity."""
        content = hashlib.sha256(repr((self.x.shape, self.classes)).encode())
        for array in (
            self.x,
            self.y,
            self.parts,
            *(() if self.together is None else (self.together,)),
        ):
            content.update(np.ascontiguousarray(array).tobytes())
        return f"{DATA_FILE}{content.hexdigest()}"

    def packed(self) -> bytes:
        """The content of a file that keeps it."""
        fields = ("formula", "source", "classes", "notes", "encoding", "split_words")
        words = {name: getattr(self, name) for name in fields}
        arrays: dict[str, Any] = {
            "x": self.x,
            "y": self.y,
            "parts": self.parts,
            "words": np.array(json.dumps(words)),
        }
        arrays |= {
            name: array
            for name in ("labels", "together")
            if (array := getattr(self, name)) is not None
        }
        file = io.BytesIO()
        np.savez(file, columns=np.array(self.columns), **arrays)
        return file.getvalue()

    @classmethod
    def unpacked(cls, kept: Mapping[str, NDArray[Any]], version: str) -> Self:
        """The inverse of `packed`, of the arrays of a file."""
        words = json.loads(str(kept["words"]))
        columns = (
            tuple(kept["columns"].tolist()) if "columns" in kept else ()
        )  # which older files lack
        names = {"columns": columns, "labels": kept.get("labels"), "together": kept.get("together")}
        fields = {**words, **names, "notes": tuple(words["notes"])}
        return cls(x=kept["x"], y=kept["y"], parts=kept["parts"], version=version, **fields)
