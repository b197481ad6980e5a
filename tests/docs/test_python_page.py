"""docs/python.md: its tables name what there is."""

import inspect
import re
from pathlib import Path

import harness
from harness import nn

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_tables_name_what_there_is():
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
