"""What stands beside the numbers of a table: cautions name their axis, and are said where they make
sense alone.
"""

import numpy as np
import pandas as pd
import pytest
from commands import invoke, json_of, said

import harness
from benchmarks.grids import isoflop_grid

COMPUTE = ("A", "B", "--x", "N", "--and", "D", "--y", "loss", "--by", "arm")


@pytest.fixture
def grid(tmp_path):
    """Two arms at five budgets of nine sizes, of which B needs 1.4 times the compute."""
    rng, made = np.random.default_rng(1), isoflop_grid(5)
    tables = []
    for arm, behind in (("A", 1.0), ("B", 1.4**0.5)):
        losses = 1.8 + 480 * (made.n / behind) ** -0.35 + 2100 * (made.d / behind) ** -0.37
        noise = np.exp(0.004 * rng.standard_normal(losses.size))
        tables.append(pd.DataFrame({"arm": arm, "N": made.n, "D": made.d, "loss": losses * noise}))
    path = tmp_path / "grid.csv"
    pd.concat(tables).to_csv(path, index=False)
    return path


def test_minima_of_valleys_are_no_single_runs(grid):
    """Many runs make a minimum: nothing is said of one run a size. The multiplier is of compute, as
    its title says.
    """
    done = invoke("compare", grid, *COMPUTE, "--budget", 1.02e20, "--budget", 1e21)
    assert "SINGLE_SEED" not in done.stdout
    assert "FEW_SIZES" not in done.stdout
    assert "how many times the compute of A B needs for its loss" in done.stdout
    lines = {line.split("│")[2].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert (
        "(beyond the runs of B)" in lines["1e+20"]
    )  # it was run; what B needs for its loss was not
    assert "(beyond the runs of B)" in lines["1.02e+20"]  # the same budget, as somebody asks for it
    assert "(extrapolated)" in lines["1e+21"]


def test_a_new_run_lies_beyond_by_every_axis_and_by_compute(grid):
    asked = ("fit", grid, "--x", "N", "--and", "D", "--y", "loss", "--where", "arm=A")
    ahead = json_of(*asked, "--predict", "N=1e10,D=1e10", "--predict", "C=1e22")["ahead"][0]
    inside, both = (place["cautions"][0]["reason"] for place in ahead["predictions"])
    assert (
        inside
        == "asked decades beyond the runs: 0.31 in N, 0.78 in compute. The law may end before."
    )
    assert both == (
        "asked decades beyond the runs: 0.28 in N, 0.52 in D, 2 in compute. The law may end before."
    )


def _pooled(table: pd.DataFrame, x: str) -> list[str]:
    (laws,) = harness.fit(table, x, "loss").answer.laws
    return [caution.reason for caution in laws.cautions if caution.code == "POOLED"]


def test_curves_of_several_amounts_of_data_are_told_where_they_are_pooled(grid):
    """Of a grid over N alone; not where D goes with N or with its square, nor where it is the
    second size.
    """
    table = pd.read_csv(grid)
    (reason,) = _pooled(table[table["arm"] == "A"], "N")
    assert "runs of nearly equal N differ in D" in reason
    assert "`and`" in reason
    sizes = np.geomspace(1e7, 1e9, 40)
    for power in (1, 2):
        assert (
            _pooled(pd.DataFrame({"N": sizes, "D": sizes**power, "loss": sizes**-0.1}), "N") == []
        )
    crossed = pd.DataFrame({"N": np.repeat(sizes[::8], 3), "tokens": np.tile([1e9, 2e9, 4e9], 5)})
    assert "tokens" in _pooled(crossed.assign(loss=crossed["N"] ** -0.1), "N")[0]
    asked = ("fit", grid, "--x", "N", "--y", "loss", "--by", "arm")
    assert "POOLED, A (likewise B)" in invoke(*asked).stdout
    for form in (("--and", "D"), ("--frontier", 0.25)):
        assert "POOLED" not in invoke(*asked, *form).stdout


def test_cautions_of_several_axes_name_theirs(tmp_path):
    """Exponents that are not equal are no shared exponent by params, nor by flops."""
    sizes = np.geomspace(100, 1e5, 7)
    rows = [
        (arm, size, size * 3, size**-alpha)
        for arm, alpha in (("kan", 1.0), ("mlp", 0.5))
        for size in sizes
    ]
    path = tmp_path / "runs.csv"
    pd.DataFrame(rows, columns=["arm", "params", "flops", "rmse"]).to_csv(path, index=False)
    asked = ("kan", "mlp", "--y", "rmse", "--by", "arm", "--alpha", "shared", "--x", "params")
    both, one = (said("compare", path, *asked, *more) for more in (("--x", "flops"), ()))
    assert "SHARING_REJECTED, params (likewise flops): " in " ".join(both.split())
    assert "SHARING_REJECTED, params: " in " ".join(one.split())


def test_a_design_says_of_what_its_width_is(grid):
    done = invoke(
        "design", grid, *COMPUTE[2:], "--question", "optimum", "--budget", 4e20, "--where", "arm=A"
    )
    assert "width / width now" in " ".join(done.stdout.replace("┃", " ").split())
