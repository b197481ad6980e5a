"""The answer of an experiment: who is better at equal size, by how much, and where that turns."""

import numpy as np
import pytest
from click.testing import CliRunner
from judging.made_experiment import ALPHAS, RULES, write_experiment, write_records
from judging.made_runs import made_runs, power

from harness.cli import main
from harness.judging.headline import headline, main_headline, main_sides
from harness.judging.judge import interval_level
from harness.judging.runs import runs_of
from harness.judging.versus import Headline, NoHeadline, Side
from harness.record import load
from harness.spec import read_manifest

SIDES = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
THIRD_ARM = "  deep: {architecture: {family: mlp, depth: 3}, recipe: fast}\n"


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A plan with records: the loss of kan is 3 N^-1, that of mlp 3 N^-0.6."""
    folder = tmp_path_factory.mktemp("headline")
    file = write_experiment(folder)
    arguments = ["plan", str(file), "--results", str(folder / "results")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return write_records(folder), folder / "results"


@pytest.fixture(scope="module")
def found(planned) -> Headline:
    """The headline of that plan."""
    manifest, results = planned
    answer = main_headline(manifest, load(manifest, results / "runs"))
    assert isinstance(answer, Headline)
    return answer


def test_ratios_are_those_of_the_laws_at_both_ends_and_between(found):
    """3 N^-0.6 over 3 N^-1 is N^0.4; the sizes that both have are the two arms', which are equal here."""
    axis = "params.trainable"
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


def test_intervals_agree_with_the_rule_that_compares_the_same_sides(planned, found):
    """A reader who sees an answer and a verdict must not find two intervals of one number."""
    rule = planned[0].experiment.decide[0]
    assert found.level == interval_level(rule, 1)
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    assert headline(runs, (SIDES[1], SIDES[0])).level == 0.95  # no rule compares them in this order


def _beside_a_constant(planned, kan: float, mlp: float, constant: float) -> Headline:
    """The answer where both sides have flat curves."""
    runs = made_runs({"kan": power(kan, 0.0), "mlp": power(mlp, 0.0)}, **{"baseline.constant": constant})
    return headline(runs, SIDES)


def test_nobody_wins_among_failures(planned):
    """Both are worse than a constant: the ratio of 9 is refused, nobody leads, and the first caution says so."""
    found = _beside_a_constant(planned, kan=0.2, mlp=1.8, constant=0.07)
    assert [one.ratio.estimate for one in found.readings] == [None] * len(found.readings)
    assert all("WORSE_THAN_CONSTANT" in one.ratio.refused for one in found.readings)
    assert "kan 0.2" in found.readings[0].ratio.refused
    assert found.leads == ()
    assert found.cautions[0] == "kan and mlp are worse than a constant on xy, at the largest equal size."
    assert [(one.name, one.loss) for one in found.baselines] == [("constant", 0.07)]


def test_a_side_that_is_worse_than_a_constant_is_named_beside_the_ratio(planned):
    """The other side leads, and what the loser failed at stands beside the ratio; nothing is said of two that learn."""
    found = _beside_a_constant(planned, kan=0.02, mlp=0.1, constant=0.07)
    assert found.reading("xy", "params.trainable", "largest").ratio.estimate == pytest.approx(5, rel=0.1)
    assert {one.worse_than_constant for one in found.readings} == {("mlp",)}
    assert found.cautions[0] == "mlp is worse than a constant on xy, at the largest equal size."
    both_learn = _beside_a_constant(planned, kan=0.02, mlp=0.06, constant=0.07)
    assert {one.worse_than_constant for one in both_learn.readings} == {()}
    assert "constant" not in "".join(both_learn.cautions)


def test_where_the_curves_cross_the_leader_turns(planned):
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(1 / 15, 0.5)})
    found = headline(runs, SIDES)
    leads = [one for one in found.leads if one.axis == "params.trainable"]
    assert [one.leader for one in leads if one.leader] == ["mlp", "kan"]
    assert leads[0].low == 30
    assert leads[0].high < 225 < leads[-1].low
    assert leads[-1].high == 2000


def test_a_budget_is_read_there_alone(planned):
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    found = headline(runs, SIDES, at=200.0)
    assert found.places == ("200",)
    sizes = [found.reading("xy", axis, "200").ratio.at for axis in found.columns]
    assert sizes == pytest.approx([200, 200 * 40 * 300, 200 * 1200])
    assert found.clock == "seconds"


def test_one_common_size_is_told_once(planned):
    """Where both sides have one size in common, it is the largest; a smallest and a middle one would repeat it."""
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    has_it = (runs.table["arm"] == "kan") & (runs.table["asked"] < 61) | (runs.table["arm"] == "mlp") & (
        runs.table["asked"].between(60, 120)
    )
    found = headline(runs_of(runs.manifest, runs.table[has_it]), SIDES)
    read = {place: found.reading("xy", "params.trainable", place).ratio for place in found.places}
    assert read["largest"].at == 60
    assert all("NO_SIZE" in read[place].refused for place in ("smallest", "middle"))


def test_the_sides_are_those_of_the_first_rule_or_the_only_two_arms(tmp_path):
    """Of three arms without a rule nobody can say which two are meant: a sentence says how to compare two."""
    rules_of_side = RULES.replace("sides: [kan, mlp]", "sides: [[kan, mlp], deep]")
    cases = {
        "": (Side("kan", ("kan",)), Side("mlp", ("mlp",))),
        RULES.replace("sides: [kan, mlp]", "sides: [mlp, kan]"): (SIDES[1], SIDES[0]),
        rules_of_side: (Side("the best of kan, mlp", ("kan", "mlp")), Side("deep", ("deep",))),
        "three": None,
    }
    for rules, sides in cases.items():
        file = write_experiment(tmp_path, "" if rules == "three" else rules)
        text = file.read_text(encoding="utf-8")
        if "deep" in rules or rules == "three":
            file.write_text(text.replace("match:", f"{THIRD_ARM}match:", 1), encoding="utf-8")
        results = tmp_path / f"results{len(list(tmp_path.iterdir()))}"
        CliRunner().invoke(main, ["plan", str(file), "--results", str(results)], catch_exceptions=False)
        manifest = read_manifest(results / "made")
        assert main_sides(manifest) == sides, rules
    answer = main_headline(manifest, made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)}).table)
    assert isinstance(answer, NoHeadline)
    assert "kan, mlp, deep" in answer.why


def test_cautions_begin_with_the_worst(planned):
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)}, seeds=3)
    lost = (runs.table["arm"] == "mlp") & (runs.table["seed"] == 0)
    table = runs.table.assign(status=np.where(lost, "diverged", "done"))
    found = headline(runs_of(runs.manifest, table), SIDES)
    assert [caution.split()[0] for caution in found.cautions] == ["33%", "3", "Each"]


def test_cautions_are_also_of_a_side_that_is_a_series(planned):
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    is_mlp = runs.table["arm"] == "mlp"
    table = runs.table.assign(
        series=runs.table["series"].mask(is_mlp, "mlp deep"),
        status=runs.table["status"].mask(is_mlp & (runs.table["seed"] < 2), "diverged"),
    )
    first, second = Side("kan", ("kan",)), Side("mlp deep", ("mlp deep",))
    found = headline(runs_of(runs.manifest, table), (first, second))
    assert found.cautions[0] == "40% of the runs of mlp deep diverged."


def test_a_side_that_is_not_ahead_and_still_learnt_is_named(planned):
    """At the largest size, if three more such falls would reach the interval (about 4), and if it is not ahead."""
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    table = runs.table
    is_largest = table["asked"] == table["asked"].max()

    def first_caution(**falls: float) -> str:
        late_fall = table["arm"].map(falls).fillna(1.0).where(is_largest, 9.0)
        return headline(runs_of(runs.manifest, table.assign(late_fall=late_fall)), SIDES).cautions[0]

    assert first_caution(mlp=1.8, kan=5.0) == (
        "Training was cut short: in its last half the error of mlp on xy still fell 1.8x. "
        "Longer training may turn this."
    )
    for nothing in ({}, {"mlp": 1.5}, {"kan": 5.0}):
        assert first_caution(**nothing).startswith("Each side has one recipe"), nothing
