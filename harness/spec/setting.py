"""What a user changes of what a file says: fields, such as `match.at=[60, 120]`; or no wide MLPs,
and fewer seeds.
"""

import hashlib
import itertools
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.base.errors import HarnessError, at
from harness.base.formats import as_typed
from harness.spec.document import parse
from harness.spec.experiment import Experiment

LONGEST = 80  # characters of a folder's name that say what was set; of more a hash stands for them


class Setting(NamedTuple):
    """A value at a dotted path of an experiment file."""

    path: str
    value: Any


def settings_of(texts: Iterable[str]) -> tuple[Setting, ...]:
    """What texts like `match.at=[60, 120]` set, their values read as YAML; of two at one path the
    later one counts.
    """
    values: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not (path and equals and value.strip()):
            raise HarnessError(f"`settings` {text}: write PATH=VALUE, such as 'match.at=[60, 120]'")
        values.pop(path, None)  # it is set at this later place, should another path lead into it
        values[path] = parse(value, f"`settings` {path}").data
    return tuple(Setting(path, value) for path, value in values.items())


def settings_from(values: Mapping[str, Any]) -> tuple[Setting, ...]:
    """What `{"match.at": [60, 120]}` sets: the same as `match.at=[60, 120]`."""
    if not isinstance(values, Mapping):
        raise HarnessError(f'settings: {values!r} is no mapping; write {{"match.at": [60, 120]}}')
    texts = []
    for path, value in values.items():
        with at(f"`settings` {path}"):
            texts.append(
                f"{path}={json.dumps(value, default=plain_value, ensure_ascii=False)}"
            )  # which YAML reads too
    return settings_of(texts)


def plain_value(value: Any) -> Any:
    """Ranges, paths, and the arrays and numbers of numpy as JSON has them."""
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    kind = type(value).__name__
    raise HarnessError(f"a {kind} cannot stand in a file; give numbers, text, lists or mappings")


def settings_options(settings: Iterable[Setting]) -> str:
    """The options that set these fields, as a shell takes them: ` --set 'match.at=[60, 120]'`, or
    nothing.
    """
    texts = [
        f"{path}={as_typed(json.dumps(value, ensure_ascii=False))}" for path, value in settings
    ]
    return "".join(f" --set {shlex.quote(text)}" for text in texts)


def settings_words(settings: Iterable[Setting]) -> str:
    """What names the results of an experiment with these fields: `+match.at=60_120`, or nothing."""
    words = "+".join(
        f"{_plain(path)}={_plain(as_typed(json.dumps(value)))}" for path, value in sorted(settings)
    )
    if len(words) > LONGEST:
        words = f"set={hashlib.sha256(words.encode()).hexdigest()[:8]}"
    return f"+{words}" if words else ""


def _plain(text: str) -> str:
    """The text with `_` for all that the name of a folder should not have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")


# --------------------------------------------------------------------------------------------------
# narrow
LADDERS = ("width", "hidden")  # of an MLP's explicit sizes, those that say how wide it is


class Narrow(NamedTuple):
    """The widest MLP that is left, in hidden nodes a layer, and how many of the first seeds; None
    leaves all.
    """

    max_width: int | None = None
    seeds: int | None = None


def narrow_words(narrow: Narrow) -> str:
    """What names the results of a narrowed experiment: `-width-100-seeds-1`, or nothing."""
    parts = (("width", narrow.max_width), ("seeds", narrow.seeds))
    return "".join(f"-{name}-{value}" for name, value in parts if value is not None)


def narrowed(experiment: Experiment, narrow: Narrow) -> tuple[Experiment, dict[str, Any]]:
    """The narrowed experiment, and what differs in it, by dotted path.

    Sizes that MLP arms list (`sizes.width`, `sizes.hidden`) are filtered, also where an axis of
    `grid:` or `zip:` does. A HarnessError if that leaves an arm nothing, or if there is nothing to
    leave out.
    """
    data = experiment.model_dump(mode="json", exclude_unset=True)
    changes: dict[str, Any] = {}
    if narrow.max_width is not None:
        changes |= _filtered(data, narrow.max_width)
    if narrow.seeds is not None:
        if narrow.seeds >= len(data["seeds"]):
            raise HarnessError(
                f"`seeds` {narrow.seeds}: there are {len(data['seeds'])}; give fewer, or leave "
                "it out"
            )
        data["seeds"] = changes["seeds"] = data["seeds"][: narrow.seeds]
    return Experiment.model_validate_json(json.dumps(data), strict=True), changes


def _filtered(data: dict[str, Any], most: int) -> dict[str, Any]:
    """Leave the wide sizes of MLPs out of `data`; what there is now, by path."""
    changes: dict[str, Any] = {}
    all_widths: list[int] = []

    def filtered(path: str, sizes: Sequence[int | list[int]]) -> list[int | list[int]]:
        widths = [size if isinstance(size, int) else max(size, default=0) for size in sizes]
        all_widths.extend(widths)
        if min(widths) > most:
            problem = f"nothing is left of {path}: {json.dumps(sizes)}"
            raise HarnessError(f"`max_width` {most}: {problem}; give at least {min(widths)}")
        return [size for size, width in zip(sizes, widths, strict=True) if width <= most]

    mlps = {
        name: arm for name, arm in data["arms"].items() if arm["architecture"]["family"] == "mlp"
    }
    for (name, arm), ladder in itertools.product(mlps.items(), LADDERS):
        path, sizes_said = f"arms.{name}.sizes.{ladder}", arm.get("sizes") or {}
        if sizes_said.get(ladder):
            sizes_said[ladder] = changes[path] = filtered(path, sizes_said[ladder])
        for axes in (data.get("grid", {}), data.get("zip", {})):
            if path in axes:
                axes[path] = changes[path] = [filtered(path, sizes) for sizes in axes[path]]
    if max(all_widths, default=0) <= most:
        why = (
            f"no MLP is wider than {max(all_widths)}"
            if all_widths
            else "no MLP of this experiment lists its widths"
        )
        raise HarnessError(f"`max_width` {most}: {why}; leave it out")
    return changes
