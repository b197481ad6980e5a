"""docs/python.md: its code runs from top to bottom, and its tables name what there is."""

import inspect
import re
from pathlib import Path

import harness
from harness import nn

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
# In place of the quickstart, which trains for a minute.
FILE = """
question: Is a KAN better than an MLP of as many parameters?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: adam}
match: {axis: params, at: [40, 80], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {adam: {optimizer: {name: adam, learning_rate: 0.05}, max_evaluations: 100}}
seeds: [0, 1]
engine: torch
keep: networks
decide:
  - {claim: the KAN is better, quantity: test_loss, arms: [kan, mlp], threshold: 1, at_least: 1}
scales: {tiny: {recipes.adam.max_evaluations: 8}}
"""


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quickstart.yaml").write_text(FILE)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    assert {"answer.png", "edges.png"} <= {path.name for path in tmp_path.iterdir()}
    assert names["kan"].network.grid == 10
    assert names["loss"].item() < 1e-3
    assert set(names["runs"].columns) >= {"task", "arm", "series", "seed", "trial", "chosen", "status", "val_loss"}


def test_the_tables_name_what_there_is():
    """Every function with its own arguments, and every class of networks with those that not all of them have."""
    functions = re.findall(r"^\| `harness\.(\w+)\(\w+(?:, )?([^`]*)\)`", TEXT, flags=re.MULTILINE)
    assert len(functions) == TEXT.count("\n| `harness.")
    assert len(functions) >= 6
    for name, arguments in functions:
        defaults = {
            one.name: one.default
            for one in inspect.signature(getattr(harness, name)).parameters.values()
            if one.default is not one.empty
        }
        for written in re.findall(r"(\w+)=(\w+|\"\w+\")", arguments):
            assert str(defaults[written[0]]) == written[1].strip('"'), (name, written)
    listed = re.findall(r"`(\w+)\(shape[^`]*\)`", TEXT)
    assert set(listed) == {
        name for name in nn.__all__ if name not in ("NetworkModule", "SplinedModule", "TrainedNetwork")
    }
    common = {"self", "shape", "gain", "generator", "dtype", "device"}
    told_of = set()
    for row in re.findall(r"^\| (`\w+\(shape.*)\|$", TEXT, flags=re.MULTILINE):
        classes, own = row.split(" | ")
        for name, written in re.findall(r"`(\w+)\(shape(?:, )?([^`]*)\)`", classes):
            told = {*re.findall(r"(\w+)=", written), *re.findall(r"`(\w+)`", own)}
            assert told == set(inspect.signature(getattr(nn, name).__init__).parameters) - common, name
            told_of.add(name)
    assert told_of == set(listed)
