"""An installed package gives tasks and families short names, by entry points of its own
metadata.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest
from commands import said

from harness.base.errors import HarnessError
from harness.base.outside import installed
from harness.families import family_named
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.run import content_hash

PAGE = (Path(__file__).parents[2] / "docs" / "adding.md").read_text(encoding="utf-8")
ENTRIES = """[harness.tasks]
ripple = wavy.tasks:ripple

[harness.families]
bump_kan = wavy.families:BumpKan
"""
TEXT = """
question: which?
tasks: TASK
arms:
  bumps: {architecture: {family: FAMILY, hidden: [2]}, recipe: fast}
  kan: {architecture: {family: kan, hidden: [2]}, recipe: fast}
match: {axis: params, at: [40, 60], tol: 0.3, solve: grid}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 5}}
seeds: [0]
"""
SHORT = TEXT.replace("TASK", "{target: ripple, inputs: 2}").replace("FAMILY", "bump_kan")


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    """A folder of installed packages: `wavy`, which has the code of docs/adding.md, with its
    metadata.
    """
    code = dict(re.findall(r"`my_(\w+)\.py`:.*?```python\n(.*?)```", PAGE, flags=re.DOTALL))
    files = {
        "wavy/__init__.py": "",
        "wavy/tasks.py": code["tasks"],
        "wavy/families.py": code["families"].replace(
            "my_families:BumpKan", "wavy.families:BumpKan"
        ),
        "wavy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: wavy\nVersion: 1.0\n",
        "wavy-1.0.dist-info/entry_points.txt": ENTRIES,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed.cache_clear()
    importlib.invalidate_caches()
    yield tmp_path / "wavy-1.0.dist-info" / "entry_points.txt"
    for name in [name for name in sys.modules if name.partition(".")[0] == "wavy"]:
        del sys.modules[name]
    installed.cache_clear()


def test_a_short_name_is_the_place_in_full():
    """The same experiment and the same runs as with `package.module:name`, which stands in the
    plan.
    """
    full = TEXT.replace("TASK", "{target: wavy.tasks:ripple, inputs: 2}").replace(
        "FAMILY", "wavy.families:BumpKan"
    )
    plans = [make_plan(parse_experiment(text), "wavy") for text in (SHORT, full)]
    assert content_hash(plans[0]) == content_hash(plans[1])
    runs = [planned.run for planned in plans[0].runs]
    assert {(run.task.target, run.task.inputs) for run in runs} == {("wavy.tasks:ripple", 2)}
    assert {run.network.family for run in runs} == {"kan", "wavy.families:BumpKan"}
    assert family_named("bump_kan").network.title == "bump KAN"


def test_lists_have_them():
    for what, name in (("tasks", "ripple"), ("families", "bump_kan")):
        assert name in said("list", what)


@pytest.mark.parametrize(
    ("entry", "text", "wrong"),
    [
        (
            "xy = wavy.tasks:ripple",
            TEXT.replace("TASK", "xy"),
            "'xy' is of this project, and wavy.tasks:ripple has",
        ),
        (
            "kan = wavy.families:BumpKan",
            SHORT,
            "'kan' is of this project, and wavy.families:BumpKan has that name too",
        ),
        (
            "ripple = wavy.tasks:rippel",
            SHORT,
            "wavy.tasks has no function 'rippel'; did you mean 'ripple'",
        ),
    ],
)
def test_a_name_that_is_taken_or_leads_nowhere_is_refused(site, entry, text, wrong):
    name = entry.partition(" ")[0]
    group = "families" if "families" in entry else "tasks"
    others = [line for line in ENTRIES.splitlines() if not line.startswith(name)]
    others.insert(others.index(f"[harness.{group}]") + 1, entry)
    site.write_text("\n".join(others), encoding="utf-8")
    installed.cache_clear()
    with pytest.raises(HarnessError, match=re.escape(wrong)):
        make_plan(parse_experiment(text.replace("FAMILY", "bump_kan")), "wavy")
