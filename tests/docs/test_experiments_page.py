"""docs/experiments.md is true: the experiment that it shows plans."""

import re
from pathlib import Path

from harness.planning.plan import make_plan
from harness.spec import parse_experiment

TEXT = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_the_example_experiment_plans():
    """The experiment file of the page is valid as it stands, and every cell of it is feasible."""
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)

    plan = make_plan(parse_experiment(text, "docs/experiments.md"), "example")

    assert [cell.infeasible for cell in plan.cells] == [None] * 14
    assert len(plan.runs) == 14 * 3 * 2
