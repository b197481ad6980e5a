"""A smaller version of an experiment that no scale of its file names: no wide MLPs, fewer seeds."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.base.errors import HarnessError
from harness.spec.experiment import Experiment

Size = int | list[int]
LADDERS = ("width", "hidden")  # of an MLP's explicit sizes, those that say how wide it is


class Narrow(NamedTuple):
    """The widest MLP that is left, in hidden nodes a layer, and how many of the first seeds; None leaves all."""

    max_width: int | None = None
    seeds: int | None = None


def narrow_words(narrow: Narrow) -> str:
    """What names the results of a narrowed experiment: `-width-100-seeds-1`, or nothing."""
    parts = (("width", narrow.max_width), ("seeds", narrow.seeds))
    return "".join(f"-{name}-{value}" for name, value in parts if value is not None)


def narrowed(experiment: Experiment, narrow: Narrow) -> tuple[Experiment, dict[str, Any]]:
    """The narrowed experiment, and what differs in it, by dotted path.

    Sizes that MLP arms list (`sizes.width`, `sizes.hidden`) are filtered, also where an axis of `grid:` or `zip:` does.
    A HarnessError if that leaves an arm nothing, or if there is nothing to leave out.
    """
    data = experiment.model_dump(mode="json", exclude_unset=True)
    changes: dict[str, Any] = {}
    if narrow.max_width is not None:
        changes |= _filtered(data, narrow.max_width)
    if narrow.seeds is not None:
        if narrow.seeds >= len(data["seeds"]):
            raise HarnessError(f"`seeds` {narrow.seeds}: there are {len(data['seeds'])}; give fewer, or leave it out")
        data["seeds"] = changes["seeds"] = data["seeds"][: narrow.seeds]
    return Experiment.model_validate_json(json.dumps(data), strict=True), changes


def _filtered(data: dict[str, Any], most: int) -> dict[str, Any]:
    """Leave the wide sizes of MLPs out of `data`; what there is now, by path."""
    changes: dict[str, Any] = {}
    seen: list[int] = []

    def filtered(path: str, sizes: Sequence[Size]) -> list[Size]:
        seen.extend(map(_width, sizes))
        if not (left := [size for size in sizes if _width(size) <= most]):
            least = min(map(_width, sizes))
            raise HarnessError(
                f"`max_width` {most}: nothing is left of {path}: {json.dumps(sizes)}; give at least {least}"
            )
        return left

    for name, arm in data["arms"].items():
        if arm["architecture"]["family"] != "mlp":
            continue
        for path in (f"arms.{name}.sizes.{ladder}" for ladder in LADDERS):
            sizes_said, ladder = arm.get("sizes") or {}, path.rpartition(".")[2]
            if sizes_said.get(ladder):
                sizes_said[ladder] = changes[path] = filtered(path, sizes_said[ladder])
            for axes in (data.get("grid", {}), data.get("zip", {})):
                if path in axes:
                    axes[path] = changes[path] = [filtered(path, sizes) for sizes in axes[path]]
    if max(seen, default=0) <= most:
        why = f"no MLP is wider than {max(seen)}" if seen else "no MLP of this experiment lists its widths"
        raise HarnessError(f"`max_width` {most}: {why}; leave it out")
    return changes


def _width(size: Size) -> int:
    """The widest layer of a size, which is a width or the nodes of every hidden layer."""
    return size if isinstance(size, int) else max(size, default=0)
