"""docs/json.md is true: each answer of `--json`, in real calls, has the keys and types that the page names."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from harness.base.json_text import FORMAT, json_text
from harness.cli import main
from tests.guard.contents import write_odd_files
from tests.guard.workplace import GUARD, make_records, make_searched, prepare, said

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
TABLE = "table.csv --x params --y rmse --by arch --seed seed"
PLANE = "plane.csv --x params --y rmse"
LOOKED = """looks: [2, 3]
decide:
  - {claim: KANs are better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
"""
# By section of the page: calls that together have all keys of it.
CALLS = {
    "harness list tasks": ["list tasks"],
    "harness list families": ["list families"],
    "harness list recipes": ["list recipes"],
    "harness list experiments": ["list experiments"],
    "harness list profiles": ["list profiles"],
    "harness list conventions": ["list conventions"],
    "harness list codes": ["list codes"],
    "harness validate FILE": ["validate experiments/quickstart.yaml"],
    "harness plan FILE": ["plan experiments/laws.yaml", "plan experiments/searched.yaml --packs"],
    "harness power FILE": ["power results/laws", "power experiments/quickstart.yaml --noise 0.3"],
    "harness compare FILE A B": ["compare results/looked kan mlp", "compare results/searched kan mlp --at 90"],
    "harness verdicts [FILE…]": ["verdicts results/looked results/searched experiments/quickstart.yaml"],
    "harness fit FILE": ["fit results/laws"],
    "harness match": ["match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --at 1000"],
    "harness fit TABLE": [
        f"fit {TABLE}",
        f"fit {TABLE} --law shifted",
        f"fit {TABLE} --min-x 50",
        f"fit {TABLE} --hold-out 1",
    ],
    "harness fit TABLE --and COLUMN": [f"fit {PLANE} --and data"],
    "harness fit TABLE --isoflop COLUMN": [f"fit {PLANE} --isoflop data"],
    "harness fit TABLE --frontier QUANTILE": [f"fit {TABLE} --frontier 0.2"],
    "harness fit TABLE --share WHAT": [f"fit {TABLE} --share both"],
    "harness compare TABLE A B": [f"compare {TABLE.replace(' ', ' kan mlp ', 1)}"],
    "harness doctor": [f"doctor --profile {ROOT}/slurm/cpu.yaml --no-job"],
    "harness status": ["status"],
    "harness status FILE": ["status results/laws", "status results/poisson"],
    "harness clean [FILE…]": ["clean", "clean --unplanned --yes"],
    "harness keep FILE": ["keep results/laws"],
    "harness merge FOLDER": ["merge kept"],
    "harness reference": ["reference"],
    "harness reference NAME": ["reference toy_scaling --where task=exp2d", "reference errata"],
}

Place = tuple[str, ...]  # of a value: keys, [] for the items of a list, ANY for all keys of a map
ANY = "ANY"


class Said(NamedTuple):
    """What the page says of the value at a place: its kind, and whether it may be null, or not be there."""

    kind: str
    may_be_null: bool = False
    may_lack: bool = False


# ------------------------------------------------------------------------------------------------------------ the page
def _sections() -> dict[str, str]:
    parts = re.split(r"^### +(.*)$", PAGE, flags=re.MULTILINE)
    return {title.strip("` "): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


SECTIONS = _sections()


def _page(section: str) -> dict[Place, Said]:
    """All places of a section, with those of the shapes that it links to."""
    found: dict[Place, Said] = {(): Said("object")}
    text = SECTIONS[section]
    if shared := re.search(r"^The keys of \[.*?\]\(#([\w-]+)\)", text, flags=re.MULTILINE):
        found |= _page(shared[1])
    for keys, types, _ in re.findall(r"^\| (`.*?) \| (.*?) \| (.*) \|$", text, flags=re.MULTILINE):
        names = re.findall(r"`(.*?)`", keys)
        kinds = types.split(", ") if ", " in types else [types] * len(names)
        for name, kind in zip(names, kinds, strict=True):
            found |= _expanded(_place(name), kind, may_lack="(" in keys.replace("(`", ""))
    return found


def _place(key: str) -> Place:
    """Of a key as jq takes it, such as `runs.RUN.state` or `rows[].["in the paper"]`."""
    steps = [quoted or word for quoted, word in re.findall(r'\["([^"]+)"\]|(\[\]|[^.\[\]]+)', key)]
    return tuple(ANY if step.isupper() else step for step in steps)


def _expanded(place: Place, kind: str, may_lack: bool = False) -> Iterator[tuple[Place, Said]]:
    """The place itself, and those in it: of the items of a list or map, or of the shape that is linked."""
    if several := re.match(r"(list|map)(\??) of (.*)", kind):
        yield place, Said(several[1], bool(several[2]), may_lack)
        yield from _expanded((*place, "[]" if several[1] == "list" else ANY), several[3])
    elif shape := re.match(r"\[.*?\]\(#([\w-]+)\)(\??)", kind):
        for inner, said_of in _page(shape[1]).items():
            yield (*place, *inner), said_of
        yield place, Said("object", bool(shape[2]), may_lack)
    else:
        yield place, Said(kind.removesuffix("?"), kind.endswith("?"), may_lack)


# ---------------------------------------------------------------------------------------------------------- the answer
IS = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "value": lambda value: isinstance(value, (str, int, float, bool)),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "object": lambda value: isinstance(value, dict),
}


def _check(value: Any, place: Place, page: dict[Place, Said], is_whole: bool) -> Iterator[Place]:
    """Every place that a value has. A key or type that the page does not name fails; so does an absent key if whole."""
    said_of = page.get(place)
    if said_of:
        yield place
        if value is None:
            assert said_of.may_be_null, f"{place} is null"
            return
        assert IS[said_of.kind](value), f"{place}: {value!r} is no {said_of.kind}"
    inside = {one[len(place)] for one in page if len(one) > len(place) and one[: len(place)] == place}
    if isinstance(value, list):
        for item in value:
            yield from _check(item, (*place, "[]"), page, is_whole)
    elif isinstance(value, dict) and inside:
        if ANY not in inside:
            assert set(value) <= inside, f"{place} has {set(value) - inside}, which the page lacks"
            needed = {key for key in inside if not page.get((*place, key), Said("object")).may_lack}
            assert not is_whole or needed <= set(value), f"{place} lacks {needed - set(value)}"
        for key, item in value.items():
            yield from _check(item, (*place, ANY if ANY in inside else key), page, is_whole)


def _strict(text: str) -> dict[str, Any]:
    """An answer without its `format`, which must be its first key; fails on what is not standard JSON."""
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not standard JSON"))
    assert next(iter(found.items())) == ("format", FORMAT)
    return {key: value for key, value in found.items() if key != "format"}


# ------------------------------------------------------------------------------------------------------------- truths
@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with experiments whose records are made up, a job that is queued, and two tables of anybody's runs."""
    folder = tmp_path_factory.mktemp("json")
    with chdir(folder):
        prepare(Path())
        write_odd_files()
        laws = Path("experiments/laws.yaml").read_text(encoding="utf-8")
        Path("experiments/looked.yaml").write_text(laws.partition("decide:")[0] + LOOKED, encoding="utf-8")
        for name in ("laws", "looked"):
            said(f"plan experiments/{name}.yaml")
            make_records(name)
        make_searched("searched")
        said("plan experiments/poisson.yaml")
        shutil.copytree(GUARD / "queued" / "submissions", "results/poisson/submissions")
        rows = ["params,data,rmse"]
        for params in (30, 100, 300, 1000):
            rows += [f"{params},{data},{params**-0.8 + (data / params) ** -0.5}" for data in (1e3, 1e4, 1e5, 1e6)]
        Path("plane.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_every_command_with_json_is_on_the_page():
    """Of the real commands; and every section is called in the next test."""
    commands = {name for name in main.commands if any("--json" in one.opts for one in main.imported(name).params)}

    assert {section.split()[1] for section in CALLS} == commands
    assert set(CALLS) == {section for section in SECTIONS if section.startswith("harness ")}


@pytest.mark.parametrize("section", CALLS)
def test_answers_have_the_keys_and_types_of_the_page(section, workplace):
    """No more and no fewer, on one line of standard JSON; a key that is there at times is there in one of the calls."""
    page, seen = _page(section), set()
    with chdir(workplace):
        for call in CALLS[section]:
            done = CliRunner().invoke(main, [*shlex.split(call), "--json"], catch_exceptions=False)
            assert done.exit_code in (0, 3), done.output
            assert done.stdout.count("\n") == 1
            seen.update(_check(_strict(done.stdout), (), page, is_whole=True))

    at_times = {place for place, said_of in page.items() if said_of.may_lack}
    assert at_times <= seen, f"never there: {at_times - seen}"


def test_files_hold_what_is_printed(workplace):
    """The files that the page names beside a command; `answer.json` has a headline and verdicts."""
    calls = {
        "fit results/looked": "results/looked/fits.json",
        "compare results/looked kan mlp": "results/looked/compare_kan_mlp.json",
        "verdicts results/looked --keep": "results/verdicts/verdicts.json",
        f"fit {TABLE} --out out": "out/fits.json",
        f"compare {TABLE.replace(' ', ' kan mlp ', 1)} --out out": "out/compare.json",
    }
    with chdir(workplace):
        for call, file in calls.items():
            done = CliRunner().invoke(main, [*shlex.split(call), "--json"], catch_exceptions=False)
            assert _strict(done.stdout) == _strict(Path(file).read_text(encoding="utf-8")), file
        said("report results/looked")
        answer = _strict(Path("results/looked/answer.json").read_text(encoding="utf-8"))
    list(_check(answer["headline"], (), _page("headline"), is_whole=True))
    for verdict in answer["verdicts"]:
        list(_check(verdict, (), _page("verdict"), is_whole=True))
    assert set(answer) == {"headline", "verdicts"}


def test_examples_have_keys_of_the_page():
    """They are shortened answers, and standard JSON."""
    for section, text in SECTIONS.items():
        for example in re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL):
            list(_check(_strict(example), (), _page(section), is_whole=False))


def test_what_is_not_finite_is_refused():
    """Standard JSON has no word for it, so that writing one is a mistake of the command."""
    for number in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            json_text({"found": [{"low": number}]})
