"""docs/tasks.md is whole: it has every task."""

import re
from pathlib import Path

from harness.tasks import TASKS

TEXT = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def _named() -> set[str]:
    """The names in backticks, those that a row cuts short written out."""
    found, last = set(), ""
    for name in re.findall(r"`([^`\n]+)`", TEXT):
        found.add(name)
        if name.startswith("_"):
            stem = last
            while stem:
                found.add(stem + name)
                stem = stem.rpartition("_")[0]
        else:
            last = name
    return found


def test_every_built_in_task_is_on_the_page():
    between = {"lpmv_m_1", *(f"tanh_teacher_{number}" for number in (1, 2, 3))}
    missing = set(TASKS) - _named() - between
    assert not missing
