"""A YAML text as plain data, with the line on which each value stands.

YAML is read by the 1.2 rules: `1e-3` is a number, `on`, `no`, `off` and dates are words. A key
given twice is an error. What an alias repeats is a copy, so that it can be changed alone.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from harness.base.errors import HarnessError

# Larger files take seconds to read, and are no experiments: none of experiments/ has a tenth of
# that.
MOST_CHARACTERS = 100_000
MOST_VALUES = 100_000  # with those that aliases repeat
DEEPEST = 50  # values within values
LARGEST_INTEGER = (
    2**63 - 1
)  # so that counts, which are products of a few integers, can be written as floats
Keys = tuple[int | str, ...]  # the fields and the places in lists that lead to a value
FULL = "full"  # the scale of an experiment as its file stands; `scales:` has others
SET = "`settings`"  # in place of keys in the text: where a value was set
STANDARD = "tag:yaml.org,2002:"
WORDS = ("str", "timestamp", "value")  # what stays text
NUMBERS = ("int", "float", "bool", "null")


class Document(NamedTuple):
    """The `data` of a text, and the parsed text, which knows its lines; `source` names it in
    errors.

    Where the data were changed after reading, `moved` maps a dotted path to the place in the text
    that its value is of.
    """

    source: str
    data: Any
    root: Node | None
    moved: Mapping[str, Keys] = {}

    def where(self, path: Sequence[int | str] = ()) -> str:
        """`file.yaml:7`, the line (from 1) of the deepest part of `path` that stands in the text;
        or what set it.
        """
        place = self._in_text(path)
        if place[:1] == (SET,):
            return f"{SET} {place[1]}"
        if not (
            line := self._line(place)
        ):  # then that of the first path below that an axis or a scale set
            begun = ".".join(map(str, path)) + "."
            below = next(([name] for name in self.moved if name.startswith(begun)), path)
            line = self._line(self._in_text(below))
        return f"{self.source}:{line}" if line else self.source

    def _line(self, place: Sequence[int | str]) -> int | None:
        """That of the deepest part of a place in the text."""
        node, line = self.root, None
        for part in place:
            match node:
                case MappingNode():
                    item = next(
                        ((key, value) for key, value in node.value if key.value == part), None
                    )
                case SequenceNode() if isinstance(part, int) and part < len(node.value):
                    item = (node.value[part],) * 2
                case _:
                    item = None
            if item is None:
                break
            line, node = item[0].start_mark.line + 1, item[1]
        return line

    def located(self, message: str) -> str:
        """The message after the line of what it is about, which it begins with: `match.at.3:
        ...`.
        """
        return f"{self.where(path_of(message, self.data))}: {message}"

    def _in_text(self, path: Sequence[int | str]) -> Sequence[int | str]:
        """The path in the text of what has this path in the data."""
        for length in range(len(path), 0, -1):
            if (place := self.moved.get(".".join(map(str, path[:length])))) is not None:
                return (*place, *path[length:])
        return path


def path_of(message: str, data: Any) -> Keys:
    """The path to a value in `data` that a message begins with, as far as it leads: `match.at.3:
    ...`, `match: tol=2`.

    Names may have dots and spaces.
    """
    names: Sequence[int | str]
    end = r"\s"
    match data:
        case dict():
            names = sorted(data, key=lambda name: -len(str(name)))
        case list():
            names, end = range(len(data)), "$"  # a number before a space is one of the sentence
        case _:
            return ()
    for name in names:
        if begun := re.match(rf"{re.escape(str(name))}(\.|: |[:=]|$|{end})", message):
            deeper = path_of(message[begun.end() :], data[name]) if begun[1] in (".", ": ") else ()
            return (name, *deeper)
    return ()


def parse(text: str, source: str) -> Document:
    """The document written in `text`; a HarnessError that names `source`, the line and the value if
    there is none.
    """
    if len(text) > MOST_CHARACTERS:
        raise HarnessError(
            f"{source}: {len(text):,} characters, at most {MOST_CHARACTERS:,} are read; shorten it"
        )
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # YAML 1.2 lets an anchor move
    try:
        constructor, _ = yaml.get_constructor_parser(text)
        root = constructor.composer.get_single_node()
    except MarkedYAMLError as error:
        raise HarnessError(_unreadable(source, text, error)) from None
    except ReaderError as error:
        where = f"{source}:{text.count(chr(10), 0, error.position) + 1}"
        raise HarnessError(
            f"{where}: not YAML: the character #x{error.character:04x} is not allowed"
        ) from None
    except (
        Exception
    ) as error:  # of a parser that meets any text: RecursionError, ValueError of chr(), and others
        why = (
            "brackets within brackets, too deep"
            if isinstance(error, RecursionError)
            else _one_line(error)
        )
        raise HarnessError(f"{source}:{yaml.reader.line + 1}: not YAML: {why}") from None
    return Document(
        source, None if root is None else _Values(source, constructor).value(root, ()), root
    )


def _unreadable(source: str, text: str, error: MarkedYAMLError) -> str:
    """Why a text is no YAML; of a bracket or quote that is not closed, the line is the one where it
    stands.
    """
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    if mark and opened and (sign := text[opened.index : opened.index + 1]) and sign in "{['\"":
        comma = ", or a comma is missing," if sign in "{[" else ""
        before = f"line {mark.line + 1}, column {mark.column + 1}"
        return (
            f"{source}:{opened.line + 1}: not YAML: this {sign} is not closed{comma} before "
            f"{before}"
        )
    where = f"{source}:{mark.line + 1}" if mark else source
    if "'\\t'" in str(error.problem):
        return f"{where}: not YAML: a line begins with a tab; indent by spaces"
    if mark and "mapping values" in str(error.problem):
        name, _, value = text.splitlines()[mark.line].strip().partition(": ")
        quoted = f"{name}: {json.dumps(value, ensure_ascii=False)}"
        return f"{where}: not YAML: a colon stands within a text; quote it, {quoted}"
    return f"{where}: not YAML: {_one_line(error.problem or error.context)}"


class _Values:
    """The values of parsed nodes, copied wherever an alias repeats them; there are bounds on their
    number and depth.
    """

    def __init__(self, source: str, constructor: Any):
        self.source = source
        self.constructor = constructor
        self.copied = 0

    def value(self, node: Node, path: Keys) -> Any:
        self.copied += 1
        if self.copied > MOST_VALUES:
            raise self._error(
                node, (), f"more than {MOST_VALUES:,} values, with what aliases repeat; use fewer"
            )
        if len(path) > DEEPEST:
            raise self._error(
                node, path[:1], f"values within values, more than {DEEPEST} deep; write it flatter"
            )
        kind = str(node.tag).removeprefix(STANDARD)
        match node:
            case ScalarNode() if kind in WORDS:
                return node.value
            case ScalarNode() if kind in NUMBERS:
                return self._number(node, path, kind)
            case SequenceNode() if kind == "seq":
                return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
            case MappingNode() if kind == "map":
                return self._fields(node, path)
        raise self._error(node, path, f"the tag {node.tag!r} is not known here; leave it out")

    def _number(self, node: ScalarNode, path: Keys, kind: str) -> float | bool | None:
        try:
            number = self.constructor.construct_object(node)
        except Exception:  # `!!int abc` and whatever else the constructor was not made for
            raise self._error(
                node, path, f"{_shown(node.value)} is no {kind}; write one, or quote a word"
            ) from None
        if isinstance(number, float) and not math.isfinite(number):
            raise self._error(
                node, path, f"{_shown(node.value)} is not finite; give a number that is"
            )
        if isinstance(number, int) and abs(number) > LARGEST_INTEGER:
            raise self._error(
                node,
                path,
                f"{_shown(node.value)} is too large; integers go up to {LARGEST_INTEGER}",
            )
        return number

    def _fields(self, node: MappingNode, path: Keys) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{STANDARD}merge":
                merged = self._merged(value, path) | merged
                continue
            name = self._key(key, path)
            if name in fields:
                raise self._error(key, (), f"{name} is given twice; keep one")
            fields[name] = self.value(value, (*path, name))
        return fields | {name: value for name, value in merged.items() if name not in fields}

    def _merged(self, node: Node, path: Keys) -> dict[str, Any]:
        """The fields of a mapping, or of several, of which the first to have a field counts, as
        `<<:` says.
        """
        fields: dict[str, Any] = {}
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            # A path of its own, as a mapping can hold itself.
            taken_over = self.value(source, (*path, "<<"))
            if not isinstance(taken_over, dict):
                raise self._error(
                    source, (*path, "<<"), "expected a mapping, whose fields are taken over"
                )
            fields = taken_over | fields
        return fields

    def _key(self, node: Node, path: Keys) -> str:
        if not isinstance(node, ScalarNode):
            raise self._error(node, path, "a list or a mapping cannot name a field; use a word")
        if str(node.tag).removeprefix(STANDARD) not in WORDS:
            problem = (
                f"the field {_shown(node.value)} is no word; quote it, {json.dumps(node.value)}"
            )
            raise self._error(node, path, problem)
        return node.value

    def _error(self, node: Node, path: Keys, problem: str) -> HarnessError:
        dotted = ".".join(map(str, path))
        return HarnessError(
            f"{self.source}:{node.start_mark.line + 1}: {f'{dotted}: ' if dotted else ''}{problem}"
        )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
