"""From an experiment file to an Experiment, or to sentences that say what is wrong and where.

YAML is read by the 1.2 rules (`1e-3` is a number; `on`, `no` and `off` are words) and a key given twice is an error.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from harness.errors import HarnessError, did_you_mean
from harness.spec.frozen import Frozen
from harness.spec.nouns import Experiment

Settings = TypeVar("Settings", bound=Frozen)


# The scale of an experiment as its file stands; `scales:` maps others to what they change, by dotted path.
FULL = "full"


def read_experiment(path: Path, scale: str = FULL) -> Experiment:
    """The experiment in the file at `path`, at this scale; a HarnessError with one line per mistake otherwise."""
    return parse_experiment(_read_text(path, "an experiment file"), str(path), scale)


def parse_experiment(text: str, source: str = "<text>", scale: str = FULL) -> Experiment:
    """The experiment written in `text` (YAML), at one of its scales; `source` names it in errors."""
    data = _parse_fields(text, source, "question:, tasks:, arms:")
    data = _at_scale(data, data.pop("scales", None) or {}, source, scale)
    first_point = next(axis_points(data.get("grid") or {}, data.get("zip") or {}))
    return _validated(Experiment, _with_modules(_with_values(data, first_point)), text, source)


def _with_modules(data: dict[str, Any]) -> dict[str, Any]:
    """Arms that say `module` and `size` in place of an architecture have one, of the family `module`."""
    arms = data.get("arms")
    if not isinstance(arms, dict):
        return data
    return {**data, "arms": {name: _with_module(arm) for name, arm in arms.items()}}


def _with_module(arm: Any) -> Any:
    if not isinstance(arm, dict) or "module" not in arm or "architecture" in arm:
        return arm
    own = {name: value for name, value in arm.items() if name in ("module", "size")}
    rest = {name: value for name, value in arm.items() if name not in own}
    return {**rest, "architecture": {"family": "module", **own}}


def _at_scale(data: dict[str, Any], scales: Any, source: str, scale: str) -> dict[str, Any]:
    if not isinstance(scales, dict) or not all(isinstance(changes, dict) for changes in scales.values()):
        raise HarnessError(f"{source}: scales: maps a name to what changes: {{short: {{seeds: [0]}}}}")
    if FULL in scales:
        raise HarnessError(f"{source}: scales.{FULL} is the file as it stands; give the scale another name")
    if scale == FULL:
        return data
    if scale not in scales:
        raise HarnessError(f"--scale {scale}: {source} has no such scale; {did_you_mean(scale, [FULL, *scales])}")
    return _with_values(data, scales[scale], f"{source}: scales.{scale}")


def scales_of(path: Path) -> tuple[str, ...]:
    """The names of the scales of the file at `path`, `full` first."""
    return (FULL, *_scales(path))


def scale_changes(path: Path, scale: str) -> dict[str, Any]:
    """What a scale of the file at `path` changes, by dotted path."""
    changes: dict[str, Any] = _scales(path)[scale]
    return changes


def _scales(path: Path) -> dict[str, Any]:
    data = _parse_fields(_read_text(path, "an experiment file"), str(path), "question:, tasks:, arms:")
    return data.get("scales") or {}


def read_settings(path: Path, model: type[Settings], what: str) -> Settings:
    """The `model` written in the YAML file at `path`, which is `what` to a user, as experiments are read."""
    text = _read_text(path, what)
    data = _parse_fields(text, str(path), ", ".join(f"{name}:" for name in [*model.model_fields][:3]))
    return _validated(model, data, text, str(path))


def _read_text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}; give the path of {what}") from None
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _parse_fields(text: str, source: str, such_as: str) -> dict[str, Any]:
    data = _parse_yaml(text, source)
    if not isinstance(data, dict):
        raise HarnessError(f"{source}: expected fields such as {such_as}, got {_shown(data)}")
    return data


def _validated(model: type[Settings], data: dict[str, Any], text: str, source: str) -> Settings:
    try:
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise HarnessError(_sentences(text, source, error, model)) from None


def variants(experiment: Experiment) -> list[tuple[dict[str, Any], Experiment]]:
    """The experiment at every point of its `grid:` and `zip:` axes, with the values (by dotted path) of that point."""
    data = experiment.model_dump(mode="json", exclude_unset=True)
    found = []
    for point in axis_points(experiment.grid, experiment.zip):
        try:
            text = json.dumps(_with_values(data, point))
            found.append((point, Experiment.model_validate_json(text, strict=True)))
        except ValidationError as error:
            raise HarnessError(_sentences("", f"at {_shown(point)}", error)) from None
    return found


def axis_points(grid: Mapping[str, Sequence], zipped: Mapping[str, Sequence]) -> Iterator[dict[str, Any]]:
    """Every combination of `grid` values with every lockstep row of `zipped` ones; one empty point if neither."""
    if not (isinstance(grid, Mapping) and isinstance(zipped, Mapping)):
        raise HarnessError("grid: and zip: map a dotted path to a list of values")
    for path, values in [*grid.items(), *zipped.items()]:
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise HarnessError(f"axis {path}: expected a list of values, got {_shown(values)}")
    rows = list(zip(*zipped.values(), strict=False)) if zipped else [()]
    for combination, row in itertools.product(itertools.product(*grid.values()), rows):
        yield dict(zip([*grid, *zipped], [*combination, *row], strict=True))


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, for editors."""
    schema = Experiment.model_json_schema()
    words = "name -> what changes at this scale, by dotted path; `--scale NAME` chooses it"
    schema["properties"]["scales"] = {
        "type": "object",
        "description": words,
        "additionalProperties": {"type": "object"},
    }
    return schema


# --------------------------------------------------------------------------------------------------------------- yaml
def _parse_yaml(text: str, source: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        key = str(error.problem).split('"')[1] if '"' in str(error.problem) else str(error.problem)
        raise HarnessError(f"{source}:{line}: {key} is given twice; keep one") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise HarnessError(f"{where}: not YAML: {error.problem or error.context}") from None


def _with_values(data: dict[str, Any], point: Mapping[str, Any], what: str = "axis") -> dict[str, Any]:
    """A copy of `data` with the value at each dotted path of `point` replaced; errors say of `what` the path is."""
    changed = _unshared(data)
    for path, value in point.items():
        *parents, last = path.split(".")
        place = changed
        for depth, name in enumerate(parents):
            where = ".".join(parents[:depth])
            if isinstance(place, list):
                place = place[_index(place, name, where, f"{what} {path}")]
            elif isinstance(place, dict):
                place = place.setdefault(name, {})
            else:
                raise HarnessError(f"{what} {path}: {where} has no fields")
        where = ".".join(parents)
        if isinstance(place, list):
            place[_index(place, last, where, f"{what} {path}")] = value
        elif isinstance(place, dict):
            place[last] = value
        else:
            raise HarnessError(f"{what} {path}: {where} has no fields")
    return changed


def _index(items: list, text: str, where: str, what: str) -> int:
    """The place in a list that `text` names, counted from 0."""
    if not items:
        raise HarnessError(f"{what}: {where} is an empty list, of which no item can change")
    if not (text.isdecimal() and int(text) < len(items)):
        allowed = "0" if len(items) == 1 else f"a number from 0 to {len(items) - 1}"
        raise HarnessError(f"{what}: {where} is a list; give {allowed} in place of {text!r}")
    return int(text)


def _unshared(data: Any) -> Any:
    """A copy in which a place that a YAML alias repeats is one of its own, so that it can be changed alone."""
    match data:
        case dict():
            return {name: _unshared(value) for name, value in data.items()}
        case list():
            return [_unshared(value) for value in data]
    return data


# ------------------------------------------------------------------------------------------------------------- errors
def _sentences(text: str, source: str, error: ValidationError, model: type[Frozen] = Experiment) -> str:
    """One line a mistake."""
    # pydantic also calls a list too short when it is long enough but its items are wrong; they have lines of their own.
    # Nor is it a mistake that a default was not made because of one.
    details = [
        d
        for d in error.errors()
        if not (d["type"] == "too_short" and len(d["input"]) >= d["ctx"]["min_length"])
        and d["type"] != "default_factory_not_called"
    ]
    schema = model.model_json_schema()
    return "\n".join(_sentence(text, source, detail, schema) for detail in details)


def _sentence(text: str, source: str, detail: ErrorDetails, schema: dict[str, Any]) -> str:
    path, allowed = _walk(detail["loc"], schema)
    dotted = ".".join(str(part) for part in path)
    where = f"{source}:{line}" if (line := _line_of(text, path)) else source
    subject = f"{where}: {dotted}" if dotted else where
    last = str(path[-1]) if path else ""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return f"{subject}: unknown field; {did_you_mean(last, allowed)}"
        case "missing":
            return f"{subject}: missing; add it"
        case "literal_error" | "enum":
            options = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
            return f"{subject}={_shown(detail['input'])}: {did_you_mean(str(detail['input']), options)}"
        case "union_tag_invalid":
            options = [word.strip("'") for word in context["expected_tags"].split(", ")]
            field = context["discriminator"].strip("'")
            return f"{subject}.{field}={_shown(context['tag'])}: {did_you_mean(context['tag'], options)}"
        case "union_tag_not_found":
            return f"{subject}: {context['discriminator']} is missing; add it"
        case "too_short":
            return f"{subject}={_shown(detail['input'])}: give at least {context['min_length']}"
        case "value_error":
            return f"{subject}: {context['error']}"
        case _:
            message = detail["msg"].replace("valid array", "list").replace("valid object", "mapping")
            return f"{subject}={_shown(detail['input'])}: {message[0].lower()}{message[1:]}"


def _walk(location: tuple[int | str, ...], schema: dict[str, Any]) -> tuple[list[int | str], list[str]]:
    """The path as the user typed it (pydantic adds union tags) and the field names allowed beside its last part."""
    node, path, allowed = schema, [], []
    for part in location:
        node = _resolved(node, schema)
        allowed = list(node.get("properties", {}))
        if part in node.get("discriminator", {}).get("mapping", {}):
            node = {"$ref": node["discriminator"]["mapping"][part]}
            continue
        choices = [_resolved(choice, schema) for choice in [node, *node.get("anyOf", [])]]
        following = [_child(choice, part) for choice in choices]
        path.append(part)
        allowed = allowed or next((list(choice["properties"]) for choice in choices if "properties" in choice), [])
        node = next((child for child in following if child is not None), {})
    return path, allowed


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _child(node: dict[str, Any], part: int | str) -> dict[str, Any] | None:
    if part in node.get("properties", {}):
        return node["properties"][part]
    for key in ("additionalProperties", "items"):
        if isinstance(node.get(key), dict):
            return node[key]
    return None


def _line_of(text: str, path: Sequence[int | str]) -> int | None:
    """The line (from 1) of the deepest part of `path` that stands in the file."""
    node: Any = YAML(typ="rt", pure=True).load(text) if text else None
    line = None
    for part in path:
        try:
            line = (node.lc.item(part) if isinstance(part, int) else node.lc.key(part))[0] + 1
            node = node[part]
        except (AttributeError, KeyError, TypeError, IndexError):
            break
    return line


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
