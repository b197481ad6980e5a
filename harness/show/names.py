"""Short names for narrow places, such as the rows of a table on a terminal: all different, and none cut without `…`."""

import re
from collections.abc import Iterable, Sequence
from itertools import count

FIELD = re.compile(r"\b([A-Za-z]+)_\w+(?==)")  # `train_points` of `train_points=200`
PART_OF_WORD = re.compile(r"[^\s_=:,/()]+")


def shortened(names: Iterable[str], letters: int) -> dict[str, str]:
    """Name -> a name of at most so many letters, 8 or more, and different from all others.

    Names stay whole where all of them fit. Else they lose, until all fit: the module of a function and the suffix of a
    file, words that all of them share, later words of fields (`train_points=200` becomes `train=200`), and at last
    their middle.
    """
    full = list(dict.fromkeys(names))
    # A function without its module, a file without its suffix.
    plain = [re.sub(r"^[\w.]+:(?=\w)|(?<=\w)\.(csv|parquet|npz)\b", "", name) for name in full]
    if not _are_different(plain):
        plain = full
    telling = _without_shared(plain)
    shown = full
    for shorter in (full, plain, telling, _with_short_fields(plain), _with_short_fields(telling)):
        if _are_different(shorter):
            shown = shorter
            if max(map(len, shown), default=0) <= letters:
                break
    return dict(zip(full, _cut(shown, letters), strict=True))


def _are_different(names: Sequence[str]) -> bool:
    """And none of them is empty."""
    return len(set(names)) == len(names) and all(names)


def _without_shared(names: Sequence[str]) -> list[str]:
    words = [re.split(r" (?=\w+=)", name) for name in names]
    shared = set(words[0]).intersection(*words) if len(words) > 1 else set()
    return [" ".join(word for word in own if word not in shared) for own in words]


def _with_short_fields(names: Sequence[str]) -> list[str]:
    """With the first word of each field; as they are where two fields begin alike."""
    fields = {field[0]: field[1] for name in names for field in FIELD.finditer(name)}
    if len(set(fields.values())) < len(fields):
        return list(names)
    return [FIELD.sub(r"\1", name) for name in names]


def _cut(names: Sequence[str], letters: int) -> list[str]:
    """Those that are too long without their middle: the same share of each end that leaves all different.

    Ends begin with a whole word if that can be. Names that no share tells apart are numbered.
    """
    long = [name for name in names if len(name) > letters]
    half = letters // 2
    for last_of in (_last_words, _last_letters):
        for most in sorted(range(1, letters), key=lambda most: (most < half, abs(most - half))):
            ends = {name: last_of(name, most) for name in long}
            cut = {name: f"{name[: letters - 1 - len(end)]}…{end}" for name, end in ends.items()}
            shown = [cut.get(name, name) for name in names]
            if all(ends.values()) and len(set(shown)) == len(names):
                return shown
    taken = set(names).difference(long)
    numbered = {}
    for name in long:
        marks = (f"…{number}" for number in count(1))
        numbered[name] = next(one for mark in marks if (one := name[: letters - len(mark)] + mark) not in taken)
        taken.add(numbered[name])
    return [numbered.get(name, name) for name in names]


def _last_words(name: str, most: int) -> str:
    """As many of its last words as have so many letters, with what separates them."""
    last = _last_letters(name, most)
    is_within_word = PART_OF_WORD.match(name[-most - 1])
    return PART_OF_WORD.sub("", last, count=1) if is_within_word and PART_OF_WORD.match(last) else last


def _last_letters(name: str, most: int) -> str:
    return name[-most:]
