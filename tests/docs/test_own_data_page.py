"""docs/own_data.md is true: the experiment that it shows plans, with a table as it says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from harness.planning.plan import make_plan
from harness.spec import parse_experiment

TEXT = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")


def houses(rows: int = 300) -> pd.DataFrame:
    """A table with the columns of the page."""
    chance = np.random.default_rng(0)
    rooms, area, age = chance.integers(1, 8, rows), chance.uniform(20, 200, rows), chance.uniform(0, 90, rows)
    price = 1000 * area * np.exp(-age / 60) + 5000 * rooms + chance.normal(0, 3000, rows)
    return pd.DataFrame({"rooms": rooms, "area": area, "age": age, "price": price})


def test_the_example_experiment_plans(tmp_path):
    """The experiment file of the page is valid as it stands, and every cell of it is feasible."""
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    houses().to_csv(tmp_path / "houses.csv", index=False)

    plan = make_plan(parse_experiment(text, "docs/own_data.md"), "houses", tmp_path)

    assert [cell.infeasible for cell in plan.cells] == [None] * 12
    assert {planned.run.task.inputs for planned in plan.runs} == {3}
