"""From an experiment file to an Experiment, or to sentences that say what is wrong and where."""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.base.errors import HarnessError, did_you_mean
from harness.base.files import check_name
from harness.base.formats import as_typed, number_meant, unwrapped
from harness.base.frozen import Frozen
from harness.base.outside import IN_A_FILE
from harness.spec.document import FULL, SET, Document, Keys, parse, path_of
from harness.spec.experiment import Experiment
from harness.spec.setting import Setting

Settings = TypeVar("Settings", bound=Frozen)


EXPERIMENT_FILE = (
    "an experiment file; `harness list experiments` says where those of the project are"
)
MOST_RUNS = 1_000_000  # of a plan, which takes some 20 KB of memory a run


def read_experiment(
    path: Path, scale: str = FULL, settings: Sequence[Setting] = (), text: str | None = None
) -> Experiment:
    """The experiment in the file at `path`, or in a `text` that is called so, at this scale, with
    fields that were set.

    A HarnessError has one line for each mistake.
    """
    return _validated(Experiment, document_of(path, scale, settings, text))


def parse_experiment(text: str, source: str = "<text>", scale: str = FULL) -> Experiment:
    """The experiment written in `text` (YAML), at one of its scales; `source` names it in
    errors.
    """
    return read_experiment(Path(source), scale, text=text)


def document_of(path: Path, scale: str, settings: Sequence[Setting], text: str | None) -> Document:
    """What the file says at a scale, with what is set, and at the first point of its axes."""
    document = _read_fields(path) if text is None else _parse_fields(text, path.name)
    scales = {FULL: {}, **_scales(document)}
    if scale not in scales:
        raise HarnessError(
            f"`scale` {scale}: {document.source} has no such scale; {did_you_mean(scale, scales)}"
        )

    def in_scale(path: str) -> str:
        return f"{document.where(('scales', scale, path))}: scales.{scale}.{path}"

    moved: dict[str, Keys] = {path: ("scales", scale, path) for path in scales[scale]}
    moved |= {path: (SET, path) for path, _ in settings}
    data = {name: value for name, value in document.data.items() if name != "scales"}
    data = _with_settings(with_values(data, scales[scale], in_scale), settings)
    axes = _axes(document, data)
    for name, values in axes.items():
        if varied := [path for path, _ in settings if path in values]:
            raise HarnessError(
                f"{SET} {varied[0]}: {name}: of the file varies this field, so it cannot be set; "
                f"change {name}: there"
            )
        # Which of the values is wrong is not known later. No value is called "", so lines are those
        # of the whole axis.
        moved |= {path: (*moved.get(f"{name}.{path}", (name, path)), "") for path in values}

    def called(path: str) -> str:
        name = "grid" if path in axes["grid"] else "zip"
        return f"{document.where((name, path))}: {name}.{path}"

    data = with_values(data, next(axis_points(axes["grid"], axes["zip"])), called)
    arms = data.get("arms")
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        if isinstance(arm, dict) and "module" in arm and "architecture" not in arm:
            module = {field: arm.pop(field) for field in ("module", "size") if field in arm}
            arm["architecture"] = {"family": "module", **module}
            moved[f"arms.{name}.architecture"] = ("arms", name)
    return document._replace(data=data, moved=moved)


def _with_settings(data: dict[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """The data with values set; a HarnessError if a path leads through what is not there."""
    for path, value in settings:
        names = path.split(".")
        for depth, name in enumerate(names):
            place, where = _at(data, _keys(names[:depth])), ".".join(names[:depth]) or "the file"
            if isinstance(place, dict) and name not in place and depth < len(names) - 1:
                raise HarnessError(
                    f"{SET} {path}: {where} has no {name!r}; {did_you_mean(name, place)}"
                )
            if not isinstance(place, dict | list | None):
                raise HarnessError(
                    f"{SET} {path}: {where} is {_shown(place)}, which has no fields; set "
                    f"{where} itself"
                )
        data = with_values(data, {path: value}, f"{SET} {{}}".format)
    return data


def _keys(names: Iterable[str]) -> Keys:
    return tuple(int(name) if name.isdecimal() else name for name in names)


def _scales(document: Document) -> dict[str, dict[str, Any]]:
    """The scales that the file names, with what each changes, by dotted path."""
    scales = document.data.get("scales")
    if scales is None:
        return {}
    if not isinstance(scales, dict) or not all(
        isinstance(changes, dict) for changes in scales.values()
    ):
        where = document.where(("scales",))
        raise HarnessError(
            f"{where}: scales: expected names with what each changes, as in {{short: "
            f"{{seeds: [0]}}}}"
        )
    for name in scales:
        place = f"{document.where(('scales', name))}: scales.{name}"
        check_name(name, place)
        if name == FULL:
            raise HarnessError(f"{place} is the file as it stands; give the scale another name")
    return scales


def _axes(document: Document, data: Mapping[str, Any]) -> dict[str, dict[str, list]]:
    """`grid` and `zip` of the data: dotted paths, each with a list of values."""
    axes_said = {name: {} if data.get(name) is None else data[name] for name in ("grid", "zip")}
    for name, axes in axes_said.items():
        if not isinstance(axes, dict):
            raise HarnessError(
                f"{document.where((name,))}: {name}: maps a dotted path to a list of values"
            )
        for path, values in axes.items():
            if not isinstance(values, list) or not values:
                where = document.where((name, path))
                raise HarnessError(
                    f"{where}: {name}.{path}: expected a list of values, got {_shown(values)}"
                )
    return axes_said


def scales_of(path: Path) -> dict[str, dict[str, Any]]:
    """The scales of the file at `path`, `full` first, and what each changes, by dotted path."""
    return {FULL: {}, **_scales(_read_fields(path))}


def read_settings(path: Path, model: type[Settings], noun: str) -> Settings:
    """The `model` written in the YAML file at `path`, read as experiments are; errors call it
    `noun`.
    """
    return _validated(model, _read_fields(path, model, noun))


def _read_fields(
    path: Path, model: type[Frozen] = Experiment, noun: str = EXPERIMENT_FILE
) -> Document:
    if model is Experiment and path.suffix == ".py" and path.exists():
        raise HarnessError(
            f"{path}: this is Python, not an experiment file; give a YAML file that names it"
        )
    try:
        return _parse_fields(path.read_text(encoding="utf-8"), str(path), model)
    except OSError as error:
        beside = [path.parent / f"{path.stem}{ending}" for ending in (".yaml", ".yml")]
        near = next(filter(Path.is_file, beside), None)
        hint = f"did you mean {near}?" if near else f"give the path of {noun}"
        raise HarnessError(f"{path}: {error.strerror}; {hint}") from None
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _parse_fields(text: str, source: str, model: type[Frozen] = Experiment) -> Document:
    document = parse(text, source)
    such_as = ", ".join(f"{name}:" for name in [*model.model_fields][:3])
    if document.data is None:
        raise HarnessError(f"{source}: nothing is written in it; it has fields such as {such_as}")
    if not isinstance(document.data, dict):
        raise HarnessError(
            f"{source}: expected fields such as {such_as}, got {_shown(document.data)}"
        )
    return document


def _validated(model: type[Settings], document: Document) -> Settings:
    try:
        return model.model_validate_json(json.dumps(document.data), strict=True, context=IN_A_FILE)
    except ValidationError as error:
        lines = [
            f"{document.where(path)}: {sentence}"
            for path, sentence in _mistakes(error, document.data, model)
        ]
        raise HarnessError("\n".join(lines)) from None


# --------------------------------------------------------------------------------------------------
# axes
def variants(experiment: Experiment) -> list[tuple[dict[str, Any], Experiment]]:
    """The experiment at every point of its `grid:` and `zip:` axes, with the values (by dotted
    path) of that point.

    A HarnessError if they would make more than MOST_RUNS runs.
    """
    data = experiment.model_dump(mode="json", exclude_unset=True)
    points = math.prod(map(len, experiment.grid.values())) * len(
        next(iter(experiment.zip.values()), [()])
    )
    variants_made: list[tuple[dict[str, Any], Experiment]] = []
    runs = 0  # at most: fewer only where a cell is infeasible, or its runs are there already
    for point in axis_points(experiment.grid, experiment.zip):
        try:
            values = with_values(data, point)
            variant = Experiment.model_validate_json(
                json.dumps(values), strict=True, context=IN_A_FILE
            )
        except ValidationError as error:
            _, sentence = _mistakes(error, values)[0]
            raise HarnessError(f"{sentence} (at {_shown(point)})") from None
        runs += most_runs(variant)
        if (most := runs if variants_made else runs * points) > MOST_RUNS:
            of_axes = f" at {points:,} points of grid: and zip:" if points > 1 else ""
            problem = f"{most:,} runs{of_axes}, at most {MOST_RUNS:,} can be planned"
            raise HarnessError(f"{problem}; take fewer values, or several experiments")
        variants_made.append((point, variant))
    return variants_made


def most_runs(variant: Experiment) -> int:
    """The runs at one point of the axes: fewer only where a cell is infeasible, or its runs are
    there already.
    """
    budgets = variant.sizes
    if search := variant.search:
        return len(variant.tasks) * budgets * len(variant.arms) * search.runs * search.replicates
    if variant.match and variant.match.like:
        return len(variant.tasks) * len(variant.seeds) * budgets * len(variant.arms)
    sizes = sum(len(arm.sizes.ladder()[1]) if arm.sizes else 1 for arm in variant.arms.values())
    return len(variant.tasks) * len(variant.seeds) * budgets * sizes


def axis_points(
    grid: Mapping[str, Sequence], zipped: Mapping[str, Sequence]
) -> Iterator[dict[str, Any]]:
    """Every combination of `grid` values with every lockstep row of `zipped` ones; one empty point
    if neither.
    """
    rows = list(zip(*zipped.values(), strict=False)) if zipped else [()]
    for combination in itertools.product(
        *grid.values()
    ):  # one at a time, as there can be too many to hold
        for row in rows:
            yield dict(zip([*grid, *zipped], [*combination, *row], strict=True))


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file, for editors."""
    schema = Experiment.model_json_schema()
    words = "name -> what changes at this scale, by dotted path"
    changes = {"type": "object"}
    schema["properties"]["scales"] = {
        "type": "object",
        "description": words,
        "additionalProperties": changes,
    }
    for described in (schema, *schema["$defs"].values()):
        described["description"] = unwrapped(described.get("description"))
    return schema


# --------------------------------------------------------------------------------------------------
# dotted paths
def with_values(
    data: dict[str, Any], point: Mapping[str, Any], called: Callable[[str], str] = "axis {}".format
) -> dict[str, Any]:
    """A copy of `data` with the value at each dotted path of `point` replaced; errors name a path
    as `called` does.
    """
    changed = deepcopy(data)
    for path, value in point.items():
        names = path.split(".")
        place: Any = changed
        for depth, name in enumerate(names):
            where = ".".join(names[:depth])
            key: Any = name
            if isinstance(place, list):
                if not place:
                    raise HarnessError(
                        f"{called(path)}: {where} is an empty list, of which no item can change"
                    )
                if not (name.isdecimal() and int(name) < len(place)):
                    allowed = "0" if len(place) == 1 else f"a number from 0 to {len(place) - 1}"
                    raise HarnessError(
                        f"{called(path)}: {where} is a list; give {allowed} in place of {name!r}"
                    )
                key = int(name)
            elif not isinstance(place, dict):
                raise HarnessError(f"{called(path)}: {where} has no fields")
            if depth == len(names) - 1:
                place[key] = deepcopy(value)
            else:
                place = place[key] if isinstance(place, list) else place.setdefault(key, {})
    return changed


# --------------------------------------------------------------------------------------------------
# errors
def _mistakes(
    error: ValidationError, data: Any, model: type[Frozen] = Experiment
) -> list[tuple[Keys, str]]:
    """Of each mistake its place in the data, and a sentence that begins with that place."""
    schema = _schema(model)
    mistakes = []
    for detail in error.errors():
        # pydantic also calls a list too short when it is long enough but its items are wrong, which
        # are told by themselves. Nor is it a mistake that a default was not made because of one.
        is_long_enough = (
            detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]
        )
        if not is_long_enough and detail["type"] != "default_factory_not_called":
            mistakes.append(_mistake(detail, data, schema))
    return mistakes


@cache
def _schema(model: type[Frozen]) -> dict[str, Any]:
    return experiment_schema() if model is Experiment else model.model_json_schema()


def mistake_in(error: ValidationError, model: type[Frozen]) -> tuple[str, str]:
    """Of the first mistake in a part of a file, its dotted path in the part, and what follows this
    in a sentence.
    """
    path, sentence = _mistakes(error, None, model)[0]
    dotted = ".".join(map(str, path))
    return dotted, sentence.removeprefix(dotted) if dotted else f": {sentence}"


def _mistake(detail: ErrorDetails, data: Any, schema: dict[str, Any]) -> tuple[Keys, str]:
    path, allowed = _walk(detail["loc"], schema)
    if detail["type"] == "union_tag_invalid":
        path.append(detail["ctx"]["discriminator"].strip("'"))
    dotted = ".".join(map(str, path))
    if detail["type"] != "value_error":
        return tuple(path), f"{dotted}{_problem(detail, path, allowed)}"
    # It may begin with what of this place it is about.
    problem = str(detail["ctx"]["error"])
    deeper = path_of(problem, _at(data, path))
    between = "" if not path else "." if deeper else ": "
    return (*path, *deeper), f"{dotted}{between}{problem}"


def _at(data: Any, path: Iterable[int | str]) -> Any:
    """What stands at a path in the data, None if nothing does."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _problem(detail: ErrorDetails, path: list[int | str], allowed: list[str]) -> str:
    """What follows the place of a mistake in its sentence."""
    last, value, context = str(path[-1]) if path else "", detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return f": unknown field; {did_you_mean(last, allowed)}"
        case "missing":
            return ": missing; add it"
        case "literal_error" | "enum":
            options = [
                word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")
            ]
            return f"={_shown(value)}: {did_you_mean(str(value).lower(), options)}"
        case "union_tag_invalid":
            options = [word.strip("'") for word in context["expected_tags"].split(", ")]
            return (
                f"={_shown(context['tag'])}: {did_you_mean(str(context['tag']).lower(), options)}"
            )
        case "union_tag_not_found":
            return f": {context['discriminator']} is missing; add it"
        case "too_short":
            return f"={_shown(value)}: give at least {context['min_length']}"
        case "tuple_type" if isinstance(value, str | float | int):
            # Numbers and words apart by commas are several items.
            several = isinstance(value, str) and re.fullmatch(r"[\w.+-]+(\s*,\s*[\w.+-]+)+", value)
            such_as = (
                "[0, 1, 2] for three seeds"
                if last == "seeds"
                else f"[{value if several else _shown(value)}]"
            )
            return f"={_shown(value)}: a list is expected; write {such_as}"
        case "int_type" | "float_type" | "int_from_float":
            expected = "a whole number" if detail["type"].startswith("int") else "a number"
            if isinstance(value, list):
                as_grid = f"grid: {{{'.'.join(map(str, path))}: {_shown(value)}}}"
                return (
                    f"={_shown(value)}: {expected} is expected; write {as_grid} to train one "
                    "after the other"
                )
            meant = number_meant(value)
            return f"={_shown(value)}: {expected} is expected" + (
                f"; write {meant}" if meant else ""
            )
        case _:
            message = (
                detail["msg"].replace("valid array", "list").replace("valid object", "mapping")
            )
            return f"={_shown(value)}: {message[0].lower()}{message[1:]}"


def _walk(
    location: tuple[int | str, ...], schema: dict[str, Any]
) -> tuple[list[int | str], list[str]]:
    """The path as the user typed it (pydantic adds union tags) and the field names allowed beside
    its last part.
    """
    node, path, allowed = schema, [], []
    for part in location:
        if isinstance(part, str) and part.startswith("<"):  # a tag of ours
            continue
        node = _resolved(node, schema)
        allowed = list(node.get("properties", {}))
        if part in node.get("discriminator", {}).get("mapping", {}):
            node = {"$ref": node["discriminator"]["mapping"][part]}
            continue
        path.append(part)
        choices = _alternatives(node, schema)
        allowed = allowed or next(
            (list(choice["properties"]) for choice in choices if "properties" in choice), []
        )
        node = next(
            (child for choice in choices if (child := _child(choice, part)) is not None), {}
        )
    return path, allowed


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _alternatives(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A node and all that it may be, but for those that a field of it tells apart."""
    alternatives = [node]
    for option in [
        *node.get("anyOf", []),
        *([] if "discriminator" in node else node.get("oneOf", [])),
    ]:
        alternatives += _alternatives(_resolved(option, schema), schema)
    return alternatives


def _child(node: dict[str, Any], part: int | str) -> dict[str, Any] | None:
    of_any_name = (node.get(key) for key in ("additionalProperties", "items"))
    children = (node.get("properties", {}).get(part), *of_any_name)
    return next((child for child in children if isinstance(child, dict)), None)


def _shown(value: Any) -> str:
    text = as_typed(json.dumps(value, default=str))
    return text if len(text) <= 80 else text[:77] + "..."
