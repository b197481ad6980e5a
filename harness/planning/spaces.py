"""How a space differs from the standard one of its family, in axes and volume, in words."""

from __future__ import annotations

import math

from harness.families.space import Range, SearchAxis, Space


def extent(axis: SearchAxis) -> float:
    """How large an axis is: its number of choices or whole numbers, or its length (in ln if it is logarithmic)."""
    if not isinstance(axis, Range):
        return len(axis)
    if axis.is_whole:
        return axis.high - axis.low + 1
    return math.log(axis.high / axis.low) if axis.log else axis.high - axis.low


def varied_words(path: str, axis: SearchAxis) -> str:
    """An axis in a few words: `architecture.order in 2, 3` or `recipe.gain from 0.5 to 10 (log)`."""
    if not isinstance(axis, Range):
        return f"{path} in {', '.join(map(str, axis))}"
    condition = " and ".join(f"{other} is {value}" for other, value in axis.when.items())
    scale = " (log)" if axis.log else ""
    return f"{path} from {axis.low:g} to {axis.high:g}{scale}{f', where {condition}' if condition else ''}"


def differences(space: Space, standard: Space) -> str:
    """What a space adds to the standard one or leaves out, and how much wider the axes are that both have."""
    words = []
    if added := [path for path in space if path not in standard]:
        words.append(f"adds {', '.join(added)}")
    if missing := [path for path in standard if path not in space]:
        words.append(f"leaves out {', '.join(missing)}")
    shared = [path for path in space if path in standard]
    volume = math.prod(extent(space[path]) / extent(standard[path]) for path in shared)
    if any(space[path] != standard[path] for path in shared):
        words.append(f"on the axes that both have its volume is {volume:.3g} times the standard one's")
    return "; ".join(words) or "the standard space"
