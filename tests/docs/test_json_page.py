"""Pages that are made of the program are as it makes them, and docs/json_schema.json holds for
answers of `--json`.
"""

import json
import os
import shlex
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from docs import write  # tests/guard has a write of its own
from harness.base.json_text import FORMAT, json_text
from harness.cli import main
from harness.cli.group import imported
from tests.guard.contents import write_odd_files
from tests.guard.workplace import GUARD, make_records, make_searched, prepare, said

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SCHEMA = json.loads((DOCS / "json_schema.json").read_text(encoding="utf-8"))
NAMES = [name.removeprefix("harness ") for name in SCHEMA["$defs"] if name.startswith("harness ")]
TABLE = "table.csv --x params --y rmse --by arch --seed seed"
PLANE = "plane.csv --x params --y rmse"
# By what the schema has: calls of it; the others are called as they are named.
CALLS = {
    "validate FILE": ["validate experiments/searched.yaml"],
    "plan FILE": ["plan experiments/laws.yaml", "plan experiments/searched.yaml"],
    "power FILE": ["power results/laws", "power experiments/laws.yaml --noise 0.3"],
    "compare FILE A B": ["compare results/searched kan mlp --at 90"],
    "verdicts [FILE…]": ["verdicts results/laws results/searched experiments/quickstart.yaml"],
    "fit FILE": [
        "fit results/laws",
        "fit results/laws --law shifted --hold-out 1",
        f"fit {TABLE} --where arch=kan --law pure --hold-out 1",
        f"fit {TABLE} --where arch=mlp --min-x 50",
    ],
    "match": ["match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --at 1000"],
    "match FACTORY": [
        "match planning.foreign_modules:linear --at width=4 --at width=8 --train-flops 1e6"
    ],
    "fit FILE --and COLUMN": [f"fit {PLANE} --and data"],
    "fit FILE --isoflop COLUMN": [f"fit {PLANE} --isoflop data"],
    "fit FILE --frontier QUANTILE": [f"fit {TABLE} --where arch=kan --frontier 0.2"],
    "fit FILE --law sigmoid": [
        f"fit {TABLE} --law sigmoid",
        f"fit {PLANE} --law sigmoid --ceiling 9 --predict 3",
    ],
    "compare FILE A B --x COLUMN": [
        "compare results/laws kan mlp --x params.trainable",
        f"compare {TABLE.replace(' ', ' kan mlp ', 1)} --out out",
    ],
    "design FILE": [
        f"design {PLANE} --and data --question optimum --budget 1e8",
        f"design {TABLE} --where arch=kan --question exponent --budget 1e4",
    ],
    "doctor": [f"doctor --profile {ROOT}/slurm/cpu.yaml --no-job"],
    "status FILE": ["status results/laws", "status results/poisson"],
    "clean [FILE…]": ["clean", "clean --checkpoints --yes"],
    "keep FILE": ["keep results/laws"],
    "merge FOLDER": ["merge kept"],
    "reference NAME": ["reference toy_scaling --where task=exp2d", "reference errata"],
}
FILES = {
    "fit results/laws": "results/laws/fits.json",
    "compare results/searched kan mlp --at 90": "results/searched/compare_kan_mlp.json",
    f"compare {TABLE.replace(' ', ' kan mlp ', 1)} --out out": "out/compare.json",
}


def closed(schema: Any, is_part: bool = False) -> Any:
    """The schema with no keys but those that it names; a reader's must let others pass, as keys may
    be added.
    """
    if isinstance(schema, list):
        return [closed(one, is_part) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: closed(one, name == "allOf") for name, one in schema.items()}
    return inside | {"unevaluatedProperties": False} if "$ref" in schema and not is_part else inside


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with experiments whose records are made up, a job that is queued, and two tables of
    anybody's runs.
    """
    folder = tmp_path_factory.mktemp("json")
    with chdir(folder):
        prepare(Path())
        write_odd_files()
        said("plan experiments/laws.yaml")
        make_records("laws")
        make_searched("searched")
        said("plan experiments/poisson.yaml")
        shutil.copytree(GUARD / "queued" / "submissions", "results/poisson/submissions")
        broken = Path("results/checkpoints", f"{'0' * 16}.checkpoint")
        broken.parent.mkdir()
        broken.touch()
        os.utime(broken, (0, 0))
        rows = ["params,data,rmse"]
        for params in (30, 100, 300, 1000):
            rows += [
                f"{params},{data},{params**-0.8 + (data / params) ** -0.5}"
                for data in (1e3, 1e4, 1e5, 1e6)
            ]
        Path("plane.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_pages_are_as_they_are_made():
    """`python docs/write.py` writes them; of json.md it leaves what a person wrote, which names the
    format.
    """
    for name, text in write.pages().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, name
        assert f"now {FORMAT}." in text or name != "json.md"


def test_every_command_with_json_says_what_it_prints():
    commands = {
        name for name in main.commands if any("--json" in one.opts for one in imported(name).params)
    }
    assert {name.split()[0] for name in NAMES} == commands
    assert set(CALLS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_of_the_schema(name, workplace):
    schema = closed({"$defs": SCHEMA["$defs"], **SCHEMA["$defs"][f"harness {name}"]})
    with chdir(workplace):
        for call in CALLS.get(name, [name]):
            done = CliRunner().invoke(main, [*shlex.split(call), "--json"], catch_exceptions=False)
            assert done.exit_code in (0, 3), done.output
            assert done.stdout.count("\n") == 1
            answer = json.loads(
                done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not standard JSON")
            )
            assert next(iter(answer)) == "format"
            for error in Draft202012Validator(schema).iter_errors(answer):
                pytest.fail(f"{call}: {error.json_path}: {error.message[:300]}")
            if call in FILES:
                assert json.loads(Path(FILES[call]).read_text(encoding="utf-8")) == answer


def test_a_key_that_the_schema_lacks_is_seen():
    """Or the test above would pass whatever there is."""
    schema = closed({"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["harness match"]})
    assert Draft202012Validator(schema).is_valid({"format": FORMAT, "arms": []})
    assert not Draft202012Validator(schema).is_valid({"format": FORMAT, "arms": [], "more": 1})
    assert not Draft202012Validator(schema).is_valid({"format": FORMAT})


def test_what_is_not_finite_is_null():
    numbers = [float("nan"), float("inf"), -float("inf")]
    assert json.loads(json_text({"found": numbers}))["found"] == [None, None, None]
