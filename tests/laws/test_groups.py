"""Groups of rows: the jackknife is the textbook's, every form has intervals over groups, few groups
are refused.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import json_of, said
from scipy.stats import t as t_distribution

from benchmarks.planning import checkpoints, shared_errors
from harness.laws import Interval, cross_check, fit_law, fit_surface
from harness.laws import groups as by_groups
from harness.laws.frontier import frontier
from harness.laws.isoflop import isoflop

GROUPS, ROWS = 12, 10
RNG = np.random.default_rng(3)
GROUP = np.repeat(np.arange(GROUPS), ROWS).astype(str)
TOKENS = np.tile(np.geomspace(1e9, 1e11, ROWS), GROUPS)
N = np.repeat(np.geomspace(1e8, 1e10, GROUPS), ROWS)
ERRORS = shared_errors(np.random.default_rng(3), GROUPS, ROWS)


def test_the_jackknife_of_a_mean_is_students_interval():
    values = RNG.standard_normal(9)
    without = (values.sum() - values) / 8
    ends = by_groups.jackknife(values.mean(), without, 0.95)

    half = t_distribution.isf(0.025, 8) * values.std(ddof=1) / 3
    assert (ends.low, ends.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_a_curve_without_a_group_is_the_curve_of_the_other_rows():
    """Refits from the law's own solution find what a fit of the remaining rows finds, but for the
    weights of sizes.
    """
    y = TOKENS**-0.3 * np.exp(ERRORS)
    law = by_groups.law_by_groups(fit_law(TOKENS, y, "pure"), TOKENS, y, GROUP)
    assert law.groups is not None
    kept = law.groups.largest != GROUP

    assert law.groups.number == GROUPS
    assert law.groups.without_it == pytest.approx(
        fit_law(TOKENS[kept], y[kept], "pure").alpha, rel=1e-4
    )


def test_every_form_has_intervals_over_groups():
    y = (1.8 + 480 * N**-0.35 + 2100 * TOKENS**-0.37) * np.exp(ERRORS)
    plain = fit_surface(N, TOKENS, y)
    surface = by_groups.surface_by_groups(plain, N, TOKENS, y, GROUP)
    for before, after in ((plain.alpha, surface.alpha), (plain.floor, surface.floor)):
        assert after.value == before.value
        assert after.interval != before.interval

    upper = by_groups.frontier_by_groups(frontier(TOKENS, y, 0.5, replicates=100), TOKENS, y, GROUP)
    assert upper.alpha_interval.low < upper.alpha < upper.alpha_interval.high
    flat = TOKENS**-0.01 * np.exp(20 * ERRORS)
    of_sizes = replace(frontier(TOKENS, flat, 0.5, replicates=100), warnings=())
    rough = by_groups.frontier_by_groups(of_sizes, TOKENS, flat, GROUP)
    assert rough.alpha_interval.low < 0
    assert "EXPONENT_OPEN" in [caution.code for caution in rough.warnings]

    budget = np.tile(np.repeat(np.geomspace(1e18, 1e21, 6), 7), 8)
    size = 0.3 * budget**0.5 * np.tile(np.geomspace(0.1, 10, 7), 48)
    group = np.repeat(np.arange(8), 42)
    tilt = 0.02 * RNG.standard_normal(8)[group] * np.log(budget / 1e19)
    valley = budget**-0.1 * np.exp(0.1 * (np.log(size / (0.3 * budget**0.5)) - tilt) ** 2)
    best = by_groups.isoflop_by_groups(
        isoflop(budget, size, valley), budget, size, valley, group.astype(str).tolist()
    )
    assert best.groups.number == 8
    assert best.exponent_interval.low < best.exponent < best.exponent_interval.high


def test_best_sizes_within_a_factor_have_the_interval_of_that_law():
    """Valleys with a cubic term: the interval reaches as much further over groups as it does over
    budgets.
    """
    budget = np.tile(np.repeat(np.geomspace(1e18, 1e21, 6), 7), 8)
    step = np.tile(np.linspace(-2, 2, 7), 48) + 0.2 * np.log(budget / 1e19) / np.log(1e3)
    size, group = 0.3 * budget**0.5 * np.exp(step), np.repeat(np.arange(8), 42)
    tilt = 0.02 * RNG.standard_normal(8)[group] * np.log(budget / 1e19)
    y = budget**-0.1 * np.exp(0.1 * (step - tilt) ** 2 + 0.01 * step**3)
    plain = isoflop(budget, size, y, within=4)
    law = by_groups.isoflop_by_groups(plain, budget, size, y, group.astype(str).tolist(), 4)
    rows = [group != number for number in range(8)]
    without = np.array(
        [isoflop(budget[kept], size[kept], y[kept], within=4).exponent for kept in rows]
    )
    ends = by_groups.jackknife(plain.exponent, without, 0.95)
    assert law.groups.without_it in without
    assert abs(plain.skew_shift) > 1e-4
    assert (law.exponent_interval.low, law.exponent_interval.high) == pytest.approx(
        (ends.low + min(plain.skew_shift, 0), ends.high + max(plain.skew_shift, 0))
    )


def test_a_law_that_groups_refuse_has_no_numbers():
    y, few = TOKENS**-0.3 * np.exp(ERRORS), np.where(GROUP == "0", "0", "1")
    line = by_groups.law_by_groups(fit_law(TOKENS, y, "pure"), TOKENS, y, few)
    lower = by_groups.frontier_by_groups(frontier(TOKENS, y, 0.5, replicates=100), TOKENS, y, few)
    for law, names in (
        (line, ("alpha_interval", "amplitude", "sigma", "aicc", "misfit", "region")),
        (lower, ("alpha_interval", "amplitude", "pinball", "on", "below")),
    ):
        assert [refusal.code for refusal in law.refusals] == ["FEW_GROUPS"]
        assert [getattr(law, name) for name in names] == [None] * len(names)


def test_the_law_to_quote_is_none_where_groups_refuse_it(tmp_path):
    path, few = tmp_path / "runs.csv", GROUP.astype(int) // 3
    y = TOKENS**-0.3 * np.exp(ERRORS)
    pd.DataFrame({"tokens": TOKENS, "loss": y, "run": few}).to_csv(path, index=False)
    (laws,) = json_of(
        "fit", path, "--x", "tokens", "--y", "loss", "--group", "run", "--diagnostics"
    )["laws"]
    assert (laws["quoted_law"], laws["checks"]) == (None, None)


def test_an_interval_over_groups_is_not_checked_as_a_profile():
    y = TOKENS**-0.3 * np.exp(ERRORS)
    law = by_groups.law_by_groups(fit_law(TOKENS, y, "pure"), TOKENS, y, GROUP)
    narrow = replace(law, alpha_interval=Interval(law.alpha - 1e-9, law.alpha + 1e-9, 0.95))
    assert cross_check(TOKENS, y, replace(narrow, groups=None), 100).caution is not None
    assert cross_check(TOKENS, y, narrow, 100).caution is None


@pytest.mark.parametrize(("groups", "code"), [(5, "refused"), (8, "warned"), (10, "")])
def test_few_groups_are_refused_or_warned_of(groups, code):
    rows = GROUP.astype(int) < groups
    y = TOKENS**-0.3 * np.exp(ERRORS)
    law = by_groups.law_by_groups(
        fit_law(TOKENS[rows], y[rows], "pure"), TOKENS[rows], y[rows], GROUP[rows]
    )

    assert ("FEW_GROUPS" in [reason.code for reason in law.refusals]) == (code == "refused")
    assert ("FEW_GROUPS" in [reason.code for reason in law.warnings]) == (code == "warned")
    assert (law.alpha is None) == (code == "refused")


def _table(path, head, name):
    rows = zip(GROUP, TOKENS, TOKENS**-0.1 * np.exp(ERRORS), strict=True)
    path.write_text(
        "\n".join([head, *(f"{name(group)},{float(x)!r},{float(y)!r}" for group, x, y in rows)])
        + "\n"
    )
    return path


@pytest.mark.parametrize(
    ("head", "options"),
    [("run,tokens,loss", []), ("width,seed,tokens,loss", ["--config", "width", "--seed", "seed"])],
)
def test_checkpoints_are_told_until_their_groups_are(tmp_path, head, options):
    table = _table(
        tmp_path / "runs.csv",
        head,
        lambda group: group if head.startswith("run") else f"64,{group}",
    )
    asked = ("fit", table, "--x", "tokens", "--y", "loss", "--law", "pure", *options)
    (before,) = json_of(*asked)["laws"]
    (after,) = json_of(*asked, "--group", head.split(",")[len(options) // 4])["laws"]

    assert "CHECKPOINTS" in [caution["code"] for caution in before["cautions"]]
    assert "CHECKPOINTS" not in [caution["code"] for caution in after["cautions"]]
    if not options:
        assert after["fits"]["pure"]["groups"]["number"] == GROUPS


def test_a_seed_of_one_size_at_one_amount_is_no_checkpoint(tmp_path):
    table = _table(tmp_path / "runs.csv", "seed,tokens,loss", lambda group: group)
    (laws,) = json_of("fit", table, "--x", "tokens", "--y", "loss", "--seed", "seed")["laws"]

    assert "CHECKPOINTS" not in [caution["code"] for caution in laws["cautions"]]


def test_a_declared_schedule_takes_the_decay_out_of_the_law(tmp_path):
    """Without noise the law of the checkpoints is that of runs which end there; undeclared, its
    exponent is another.
    """
    made, path = checkpoints(), tmp_path / "runs.csv"
    y = (1.8 + 480 * made.n**-0.35 + 2100 * made.d**-0.37) * np.exp(0.05 * made.left)
    pd.DataFrame({"N": made.n, "D": made.d, "loss": y, "run": made.run, "left": made.left}).to_csv(
        path, index=False
    )
    asked = ("fit", path, "--x", "N", "--and", "D", "--y", "loss", "--group", "run")
    place = ("--predict", "N=3e10,D=3e11")
    answer = json_of(*asked, "--schedule", "left", *place)
    (law,) = answer["results"].values()
    (undeclared,) = json_of(*asked)["results"].values()

    assert [law[name]["value"] for name in ("alpha", "beta", "floor", "decay")] == pytest.approx(
        [0.35, 0.37, 1.8, 0.05], rel=1e-4
    )
    assert abs(undeclared["beta"]["value"] - 0.37) > 0.01
    assert undeclared["decay"] is None
    (foreseen,) = answer["ahead"][0]["predictions"]
    assert foreseen["loss"] == pytest.approx(1.8 + 480 * 3e10**-0.35 + 2100 * 3e11**-0.37, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--and", "D", "--schedule", "left"),
            "name the column of the second size (--and) and that of runs (--group)",
        ),
        (
            ("--and", "D", "--group", "run", "--schedule", "D"),
            "as a share of its run's peak, from 0 to 1",
        ),
        (("--and", "D", "--group", "run", "--schedule", "one"), "'one' is 1 in all rows"),
    ],
)
def test_a_schedule_is_asked_for_what_it_needs(tmp_path, options, words):
    made, path = checkpoints(), tmp_path / "runs.csv"
    columns = {
        "N": made.n,
        "D": made.d,
        "loss": 1 + 1 / made.d,
        "run": made.run,
        "left": made.left,
        "one": 1,
    }
    pd.DataFrame(columns).to_csv(path, index=False)

    assert words in " ".join(
        said("fit", path, "--x", "N", "--y", "loss", *options, exit_code=2).split()
    )
