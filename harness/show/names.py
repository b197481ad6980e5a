"""Short names for narrow places, such as the rows of a table on a terminal: all different, and none
cut without `…`.
"""

import itertools
import re
from collections.abc import Iterable, Sequence

FIELD = re.compile(r"\b([A-Za-z]+)_\w+(?==)")  # `train_points` of `train_points=200`
LEAST_LETTERS = 2  # of a name before its fields
CAPITALS = re.compile(r"\b(kan|mlp|rbf)(?=s?\b)")


def written(name: str) -> str:
    """The name of an arm or series as people write it: `spline MLP` of `spline_mlp`."""
    return CAPITALS.sub(lambda match: match[0].upper(), name.replace("_", " ")).replace(
        "swiglu", "SwiGLU"
    )


def shortened(names: Iterable[str], letters: int) -> dict[str, str]:
    """Name -> a name of at most so many letters, 8 or more, and different from all others.

    Names stay whole where all of them fit. Else they lose, until all fit: the module of a function
    and the suffix of a file, words that all of them share, later words of fields
    (`train_points=200` becomes `train=200`), and at last the end of what stands before the fields,
    or their middle.
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
    return [" ".join(itertools.filterfalse(shared.__contains__, of_name)) for of_name in words]


def _with_short_fields(names: Sequence[str]) -> list[str]:
    """With the first word of each field; as they are where two fields begin alike."""
    fields = {field[0]: field[1] for field in FIELD.finditer("\n".join(names))}
    if len(set(fields.values())) < len(fields):
        return list(names)
    return [FIELD.sub(r"\1", name) for name in names]


def _before_fields_cut(names: Sequence[str], letters: int) -> list[str]:
    """`mlp… train=300` of `mlp_teacher train=300`, as much of each `mlp_teacher`; whole where too
    little is left.
    """
    parts = [re.split(r"(?=$| \w+=)", name, maxsplit=1) for name in names]
    room: dict[str, int] = {}
    for before, fields in parts:
        if fields and len(before + fields) > letters:
            room[before] = min(letters - len(fields) - 1, room.get(before, letters))
    shown = []
    for before, fields in parts:
        is_cut = fields and room.get(before, 0) >= LEAST_LETTERS
        shown.append(
            f"{before[: room[before]].rstrip('_ ')}…{fields}" if is_cut else before + fields
        )
    return shown


def _cut(names: Sequence[str], letters: int) -> list[str]:
    """Those that are too long without the end of what stands before their fields, where that leaves
    all different.

    Else without their middle: the same share of each end that leaves all different. Names that no
    share tells apart are numbered.
    """
    shown = _before_fields_cut(names, letters)
    if max(map(len, shown), default=0) <= letters and len(set(shown)) == len(names):
        return shown
    half = letters // 2
    for last in sorted(range(1, letters), key=lambda last: (last < half, abs(last - half))):
        shown = [
            name if len(name) <= letters else f"{name[: letters - 1 - last]}…{name[-last:]}"
            for name in names
        ]
        if len(set(shown)) == len(names):
            return shown
    taken, shown = {name for name in names if len(name) <= letters}, []
    for name in names:
        numbered = (
            name[: letters - len(mark)] + mark for mark in map("…{}".format, itertools.count(1))
        )
        shown.append(
            name if name in taken else next(itertools.filterfalse(taken.__contains__, numbered))
        )
        taken.add(shown[-1])
    return shown
