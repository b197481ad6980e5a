"""Writes codes.md, json.md and json_schema.json, which say what the program says: `python
docs/write.py`.

Into other pages it writes the tables and numbers that `write_numbers.py` computes, and
`write_kept.py` reads of kept results.

codes.md is made of the words of `harness.show.codes`. The tables of json.md, and the schema, are
made of the types of what commands with --json print (`ANSWERS`), whose fields say what they mean
(`harness.base.plain`).
"""

import itertools
import json
import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, Union, get_args, get_origin

import write_kept
import write_numbers

from harness.base.formats import unwrapped
from harness.base.json_text import FORMAT
from harness.base.plain import Rows, json_type, keys_of
from harness.cli.commands.doctor import Examined
from harness.cli.commands.match import MatchAnswer
from harness.cli.commands.validate import Validated
from harness.judging.by_laws import ComparedByLaws
from harness.judging.design import DesignAnswer
from harness.judging.foreseen import Power
from harness.judging.forms import FormAnswer
from harness.judging.request import FitsAnswer
from harness.judging.verdict import Answers
from harness.laws.frontier import Frontier
from harness.laws.isoflop import Isoflop
from harness.laws.sigmoid import Sigmoid
from harness.laws.surface import Surface
from harness.planning.ladder import Ladder
from harness.record.kept import Merged
from harness.show.codes import CODES, CodeKind
from harness.show.disk import Cleaned, OverviewSaid
from harness.show.sweeps import SweepSaid
from harness.spec.manifest import Manifest
from harness.study.analysis import Compared
from harness.study.folders import KeptRecords

DOCS = Path(__file__).parent
WIDTH = 120
WORDS = {
    str: "string",
    Path: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}  # of types, in a schema
SAID = {"string": "text"}  # of what a schema calls otherwise than the page
DEFS = "#/$defs/"
CODES_HEAD = (
    "# Codes: what capital letters in a table mean, and what to do\n\n"
    "For anyone who sees a word in capitals in a table. A code stands where a number is missing "
    "(a refusal), needs care (a\ncaution), or leaves runs out (a note). A report links each code "
    "to these words.\n[fitting.md](fitting.md) explains laws and intervals.\n"
)
CODE_KINDS: dict[CodeKind, tuple[str, str]] = {
    "refusal": (
        "Refusals",
        "There is no number, because any number would mislead. The code stands in its place.",
    ),
    "caution": ("Cautions", "There is a number. Quote it together with its caution."),
    "note": ("Notes", "Nothing is wrong. The code says which runs or sizes a row leaves out."),
}
MADE = "## What each command prints\n"  # json.md is made from here on

ReferenceTable = TypedDict(
    "ReferenceTable",
    {
        "table": Annotated[str, "its name"],
        "rows": Annotated[int, "how many it has"],
        "in the paper": Annotated[str, "figure or table"],
        "what it holds": Annotated[str, "what it is"],
    },
)
# By how a command is called, the type of what it prints with --json.
ANSWERS: dict[str, Any] = {
    "clean [FILE…]": Cleaned,
    "compare FILE A B": Compared,
    "compare FILE A B --x COLUMN": ComparedByLaws,
    "design FILE": DesignAnswer,
    "doctor": Examined,
    "fit FILE": FitsAnswer,
    "fit FILE --and COLUMN": FormAnswer[Surface],
    "fit FILE --isoflop COLUMN": FormAnswer[Isoflop],
    "fit FILE --frontier QUANTILE": FormAnswer[Frontier],
    "fit FILE --law sigmoid": FormAnswer[Sigmoid],
    "keep FILE": KeptRecords,
    "match": MatchAnswer,
    "match FACTORY": Ladder,
    "merge FOLDER": Merged,
    "plan FILE": Manifest,
    "power FILE": Power,
    "reference": Rows[ReferenceTable],
    "reference NAME": Rows[dict[str, str | float | bool | None]],
    "status": OverviewSaid,
    "status FILE": SweepSaid,
    "validate FILE": Validated,
    "verdicts [FILE…]": Answers,
}


def codes_page() -> str:
    """docs/codes.md: a section a code, in the order of `harness.show.codes`."""
    parts = [CODES_HEAD]
    for kind, (title, introduction) in CODE_KINDS.items():
        parts.append(f"## {title}\n\n{introduction}\n")
        for name, code in CODES.items():
            if code.kind == kind:
                parts.append(
                    f"### {name}\n\n{textwrap.fill(f'{code.meaning} {code.advice}', WIDTH)}\n"
                )
    return "\n".join(parts)


# --------------------------------------------------------------------------------------------------
# the schema
def schema() -> dict[str, Any]:
    """The JSON Schema of every answer, by how the command is called, and of every object in one."""
    shapes: dict[str, Any] = {}
    told = {"properties": {"format": {"const": FORMAT}}, "required": ["format"]}
    calls = {
        f"harness {call}": {**_schema(answer, shapes), **told} for call, answer in ANSWERS.items()
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {**calls, **shapes}}


def _schema(kind: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    """Of a type; `shapes` gets those of the objects in it, by their names."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind in WORDS:
        return {"type": WORDS[kind]}
    if origin is Annotated:
        return _schema(json_type(kind), shapes)
    if origin in (Union, UnionType):
        return _any_of(
            [{"type": "null"} if one is NoneType else _schema(one, shapes) for one in parts]
        )
    if origin is Literal:
        return {"type": "string", "examples": list(parts)}
    if origin in (dict, Mapping):
        return {
            "type": "object",
            **({} if parts[1] is Any else {"additionalProperties": _schema(parts[1], shapes)}),
        }
    if origin in (list, tuple, Sequence):
        return {
            "type": "array",
            "items": _any_of([_schema(one, shapes) for one in parts if one is not ...]),
        }
    name = (origin or kind).__name__ + "".join(one.__name__ for one in parts)
    found = _object(kind, shapes)
    if shapes.setdefault(name, found) != found:
        raise TypeError(f"two types of answers are called {name}")
    return {"$ref": f"{DEFS}{name}"}


def _any_of(schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One of these, null the last."""
    different = sorted(
        (one for number, one in enumerate(schemas) if one not in schemas[:number]), key=_is_null
    )
    return {"anyOf": different} if len(different) > 1 else different[0]


def _is_null(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "null"


def _object(kind: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    if not (keys := keys_of(kind)):
        raise TypeError(f"{kind}: no field says what it means in JSON")
    own = {name: key for name, key in keys.items() if not key.is_inline}
    return {
        "description": unwrapped((get_origin(kind) or kind).__doc__),
        "type": "object",
        "allOf": [_schema(key.type, shapes) for key in keys.values() if key.is_inline],
        "properties": {
            name: {"description": key.meaning, **_schema(key.type, shapes)}
            for name, key in own.items()
        },
        "required": [name for name, key in own.items() if not key.may_lack],
    }


# --------------------------------------------------------------------------------------------------
# the page
class Page(NamedTuple):
    """The objects of a schema by name, and which of them have a section of their own, as several
    answers have them.
    """

    shapes: Mapping[str, Any]
    shared: Collection[str]

    def section(self, name: str) -> str:
        """What an object is, and its keys."""
        shape = self.shapes[name]
        words = "\n\n".join(textwrap.fill(one, WIDTH) for one in shape["description"].split("\n\n"))
        others = [self.words(one) for one in shape["allOf"] if _name(one) in self.shared]
        also = f"\n\nThe keys of {' and '.join(others)}, and:" if others else ""
        lines = ["| key | type | meaning |", "|---|---|---|"]
        for (words_of_type, meaning), rows in itertools.groupby(
            self.rows(shape, ""), key=lambda row: row[1:]
        ):
            keys = ", ".join(f"`{key}`" for key, *_ in rows)
            lines.append(f"| {keys} | {words_of_type} | {meaning} |")
        return f"{words}{also}\n\n" + "\n".join(lines) + "\n"

    def rows(self, shape: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
        """The path, type and meaning of every key, and of those in it that have no section
        elsewhere.
        """
        for one in shape["allOf"]:
            if _name(one) not in self.shared:
                yield from self.rows(self.shapes[_name(one)], prefix)
        for key, schema in shape["properties"].items():
            path = prefix + (key if key.replace("_", "").isalnum() else f'["{key}"]')
            words, examples = self.words(schema), list(_examples(schema))
            meaning = schema["description"] + (
                f": {', '.join(f'`{one}`' for one in examples)}" if examples else ""
            )
            inside = [
                (way, self.shapes[name])
                for way, name in _objects(schema)
                if name not in self.shared
            ]
            told = [
                meaning,
                *(one["description"].replace("\n", " ").replace("  ", " ") for _, one in inside),
            ]
            yield path, words if key in shape["required"] else f"{words}, at times", ". ".join(told)
            for way, one in inside:
                yield from self.rows(one, f"{path}{way}.")

    def words(self, schema: Mapping[str, Any], mark: str = "") -> str:
        """A type in words; `mark` says that it may be null."""
        if "anyOf" in schema:
            *kinds, last = schema["anyOf"]
            if _is_null(last):
                return self.words({"anyOf": kinds} if len(kinds) > 1 else kinds[0], "?")
            return " or ".join(self.words(one) for one in schema["anyOf"]) + mark
        if "items" in schema:
            return f"list{mark} of {self.words(schema['items'])}"
        if "additionalProperties" in schema:
            return f"map{mark} of {self.words(schema['additionalProperties'])}"
        if "$ref" not in schema:
            return SAID.get(schema["type"], schema["type"]) + mark
        name = _name(schema)
        if name in self.shared:
            return f"[{name}](#{name.lower()}){mark}"
        inline = [
            self.words(one) for one in self.shapes[name]["allOf"] if _name(one) in self.shared
        ]
        return " and ".join([*inline, "object"]) + mark


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).removeprefix(DEFS)


def _examples(schema: Mapping[str, Any]) -> Iterator[str]:
    """The words that a text, or the texts of a list, may be."""
    for one in (schema, *schema.get("anyOf", ())):
        yield from one.get("examples", ())
        yield from _examples(one["items"]) if "items" in one else ()


def _objects(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The objects in a value, each with the way to it."""
    if "$ref" in schema:
        yield "", _name(schema)
    for one in schema.get("anyOf", ()):
        yield from _objects(one)
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from ((f"[]{way}", name) for way, name in _objects(schema[inner]))


def json_page(made: Mapping[str, Any]) -> str:
    """docs/json.md, of a schema: a section a way to call a command, and one an object that several
    answers have.
    """
    uses = Counter(re.findall(rf'"\$ref": "{re.escape(DEFS)}(\w+)"', json.dumps(made)))
    shared = sorted(name for name, number in uses.items() if number > 1)
    page = Page(made["$defs"], shared)
    calls = {name: _name(one) for name, one in made["$defs"].items() if "$ref" in one}
    parts = [(DOCS / "json.md").read_text(encoding="utf-8").partition(MADE)[0] + MADE]
    for call, name in calls.items():
        same = f"The keys of [{name}](#{name.lower()}).\n"
        parts.append(f"### `{call}`\n\n{same if name in shared else page.section(name)}")
    parts += [
        "## Objects in several answers\n",
        *(f"### {name}\n\n{page.section(name)}" for name in shared),
    ]
    return "\n".join(parts)


def schema_text(made: Mapping[str, Any]) -> str:
    """docs/json_schema.json: a line an object."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}"
        for name, one in made["$defs"].items()
    ]
    head = {name: one for name, one in made.items() if name != "$defs"}
    return json.dumps(head)[:-1] + ', "$defs": {\n' + ",\n".join(lines) + "\n}}\n"


def pages() -> dict[str, str]:
    """What is written, by the names of files as they are from docs/."""
    made = schema()
    own = {
        "codes.md": codes_page(),
        "json.md": json_page(made),
        "json_schema.json": schema_text(made),
    }
    return own | write_numbers.pages() | write_kept.pages()


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
