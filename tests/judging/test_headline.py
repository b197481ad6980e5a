"""The answer of an experiment: who is better at equal size, by how much, and where that turns."""

import pytest
from judging.made_experiment import ALPHAS, RULES, TEXT
from judging.made_runs import made_plan, made_runs, made_table, power

from harness.judging.headline import headline, main_headline, main_sides
from harness.judging.judge import interval_level
from harness.judging.runs import runs_of
from harness.judging.versus import Headline, NoHeadline, Side
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment

SIDES = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
FOUR_TIMES = {"kan": power(1, 1.0), "mlp": power(4, 1.0)}
THIRD_ARM = "  deep: {architecture: {family: mlp, depth: 3}, recipe: fast}\n"


def test_ratios_are_those_of_the_laws_at_both_ends_and_between():
    """N^-0.6 over N^-1 is N^0.4; the sizes that both have are the two arms', which are equal
    here.
    """
    manifest, axis = made_plan(3, more=RULES), "params.trainable"
    found = main_headline(
        manifest, made_table(manifest, {name: power(1, alpha) for name, alpha in ALPHAS.items()})
    )
    assert found.level == interval_level(manifest.experiment.decide[0], 1)
    assert (
        headline(made_runs(FOUR_TIMES), (SIDES[1], SIDES[0])).level == 0.95
    )  # no rule compares them in this order
    ratios = [found.reading("xy", axis, place).ratio for place in found.places]
    assert found.columns[0] == axis
    assert ratios[0].at < ratios[1].at < ratios[2].at
    for ratio in ratios:
        truth = ratio.at ** (ALPHAS["kan"] - ALPHAS["mlp"])
        assert ratio.estimate == pytest.approx(truth, rel=0.1)
        assert ratio.low < truth < ratio.high
    assert [(one.leader, one.low, one.high) for one in found.leads if one.axis == axis] == [
        ("kan", ratios[0].at, ratios[2].at)
    ]


def _beside_a_constant(kan: float, mlp: float, constant: float) -> Headline:
    """The answer where both sides have flat curves."""
    runs = made_runs(
        {"kan": power(kan, 0.0), "mlp": power(mlp, 0.0)}, **{"baseline.constant": constant}
    )
    return headline(runs, SIDES)


def test_nobody_wins_among_failures():
    found = _beside_a_constant(kan=0.2, mlp=1.8, constant=0.07)
    assert [one.ratio.estimate for one in found.readings] == [None] * len(found.readings)
    assert all("WORSE_THAN_CONSTANT" in one.ratio.refused for one in found.readings)
    assert "kan 0.2" in found.readings[0].ratio.refused
    assert found.leads == ()
    assert (
        found.cautions[0]
        == "kan and mlp are worse than a constant on xy, at the largest equal size."
    )
    assert [(one.name, one.loss) for one in found.baselines] == [("constant", 0.07)]


def test_a_loss_of_0_refuses_the_ratio_with_the_reason():
    runs = made_runs(FOUR_TIMES)
    found = headline(runs_of(runs.manifest, runs.table.assign(test_loss=0.0)), SIDES)
    assert all("ZERO" in one.ratio.refused for one in found.readings)
    assert {one.loss for one in found.largest} == {0.0}


def test_a_side_that_is_worse_than_a_constant_is_named_beside_the_ratio():
    found = _beside_a_constant(kan=0.02, mlp=0.1, constant=0.07)
    assert found.reading("xy", "params.trainable", "largest").ratio.estimate == pytest.approx(
        5, rel=0.1
    )
    assert {one.worse_than_constant for one in found.readings} == {("mlp",)}
    assert found.cautions[0] == "mlp is worse than a constant on xy, at the largest equal size."
    both_learn = _beside_a_constant(kan=0.02, mlp=0.06, constant=0.07)
    assert {one.worse_than_constant for one in both_learn.readings} == {()}
    assert "constant" not in "".join(both_learn.cautions)


def test_where_the_curves_cross_the_leader_turns():
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(1 / 15, 0.5)})
    found = headline(runs, SIDES)
    leads = [one for one in found.leads if one.axis == "params.trainable"]
    assert [one.leader for one in leads if one.leader] == ["mlp", "kan"]
    assert leads[0].low == 30
    assert leads[0].high < 225 < leads[-1].low
    assert leads[-1].high == 2000


def test_a_budget_is_read_there_alone():
    runs = made_runs(FOUR_TIMES)
    found = headline(runs, SIDES, at=200.0)
    assert found.places == ("200",)
    sizes = [found.reading("xy", axis, "200").ratio.at for axis in found.columns]
    assert sizes == pytest.approx([200, 200 * 40 * 300, 200 * 1200])
    assert found.clock == "seconds"


def test_one_common_size_is_told_once():
    runs = made_runs(FOUR_TIMES)
    has_it = (runs.table["arm"] == "kan") & (runs.table["asked"] < 61) | (
        runs.table["arm"] == "mlp"
    ) & (runs.table["asked"].between(60, 120))
    found = headline(runs_of(runs.manifest, runs.table[has_it]), SIDES)
    read = {place: found.reading("xy", "params.trainable", place).ratio for place in found.places}
    assert read["largest"].at == 60
    assert all("NO_SIZE" in read[place].refused for place in ("smallest", "middle"))


def test_the_sides_are_those_of_the_first_rule_or_the_only_two_arms():
    three_arms = TEXT.replace("match:", f"{THIRD_ARM}match:", 1)
    cases = (
        (TEXT, SIDES),
        (TEXT + RULES.replace("sides: [kan, mlp]", "sides: [mlp, kan]"), (SIDES[1], SIDES[0])),
        (
            three_arms + RULES.replace("sides: [kan, mlp]", "sides: [[kan, mlp], deep]"),
            (Side("the best of kan, mlp", ("kan", "mlp")), Side("deep", ("deep",))),
        ),
        (three_arms, None),
    )
    for text, sides in cases:
        manifest = make_plan(parse_experiment(text), "made")
        assert main_sides(manifest) == sides, text
    answer = main_headline(manifest, made_runs(FOUR_TIMES).table)
    assert isinstance(answer, NoHeadline)
    assert "kan, mlp, deep" in answer.why


def test_cautions_begin_with_the_worst_also_of_a_side_that_is_a_series():
    runs = made_runs(FOUR_TIMES, seeds=3)
    is_mlp = runs.table["arm"] == "mlp"
    table = runs.table.assign(
        series=runs.table["series"].mask(is_mlp, "mlp deep"),
        status=runs.table["status"].mask(is_mlp & (runs.table["seed"] < 1), "diverged"),
    )
    first, second = Side("kan", ("kan",)), Side("mlp deep", ("mlp deep",))
    found = headline(runs_of(runs.manifest, table), (first, second))
    assert found.cautions[0] == "33% of the runs of mlp deep diverged."
    assert [caution.split()[0] for caution in found.cautions] == ["33%", "Intervals", "Each"]


def test_a_side_that_is_not_ahead_and_still_learnt_is_named():
    """At the largest size, if three more such falls would reach the interval (about 4), and if it
    is not ahead.
    """
    runs = made_runs(FOUR_TIMES)
    table = runs.table
    is_largest = table["asked"] == table["asked"].max()

    def first_caution(**falls: float) -> str:
        late_fall = table["arm"].map(falls).fillna(1.0).where(is_largest, 9.0)
        return headline(runs_of(runs.manifest, table.assign(late_fall=late_fall)), SIDES).cautions[
            0
        ]

    assert first_caution(mlp=1.8, kan=5.0) == (
        "Training was cut short: in its last half the error of mlp on xy still fell 1.8x. "
        "Longer training may reverse this."
    )
    for nothing in ({}, {"mlp": 1.5}, {"kan": 5.0}):
        assert first_caution(**nothing).startswith("Each side has one recipe"), nothing
