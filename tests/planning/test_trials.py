"""Trials: the points of a space at which an arm is trained."""

import itertools
from unittest.mock import Mock

import numpy as np
import pytest
from made_searched import TEXT, changed, planned

from harness import count, families
from harness.families.space import Range
from harness.planning import plan as planning
from harness.planning.points import POINTS_A_RUN, points_of, value_at
from harness.spec.experiment import Experiment
from harness.spec.manifest import Manifest, PlannedRun
from harness.spec.read import parse_experiment
from harness.spec.recipe import Recipe

KAN_SPACE = (
    "space: {architecture.order: [2, 3], architecture.noise: {low: 0.03, high: 3.0, log: true}}"
)
MLP_SPACE = (
    "space: {architecture.activation: [silu, tanh], recipe.gain: {low: 0.5, high: 10.0, log: true}}"
)
RECIPES = "  recipes: [lbfgs, levenberg]\n"
# A family's arm as a search begins with it, the size that is solved for, and a budget that it can
# meet.
FAMILIES = {
    "mlp": ("depth: 2", "width", 300),
    "kan": ("depth: 2, width: 3", "grid", 150),
    "spline_mlp": ("depth: 2, width: 4", "grid", 150),
    "gated_mlp": ("depth: 2", "width", 300),
    "rbf_kan": ("depth: 2, grid: 5", "width", 300),
    "chebyshev_kan": ("depth: 2, degree: 4", "width", 300),
    "fourier_kan": ("depth: 2, harmonics: 3", "width", 300),
    "rational_kan": ("depth: 2", "width", 300),
    "grouped_chebyshev": ("depth: 2", "width", 300),
}


def values(experiment: Experiment, arm: str, scramble: int = 0) -> list[dict]:
    return [trial.values for trial in points_of(experiment, arm, scramble)]


def with_runs(number: int, *changes: tuple[str, str]) -> Experiment:
    return parse_experiment(changed(("runs: 4", f"runs: {number}"), *changes))


def test_trial_0_is_the_arm_as_written():
    experiment = parse_experiment(TEXT)
    for arm, scramble in itertools.product(("kan", "mlp"), (0, 1, 7)):
        first = next(points_of(experiment, arm, scramble))
        assert first.values == {}
        assert first.experiment == experiment


def test_values_lie_in_their_ranges_and_whole_ends_are_reached():
    """Real numbers have four digits; of whole ones every one occurs, on either scale."""
    shares = np.linspace(0, 1, 2000, endpoint=False)
    for axis in (
        Range(low=2, high=5),
        Range(low=1, high=10, log=True),
        Range(low=3, high=20, log=True),
    ):
        assert {value_at(axis, share) for share in shares} == set(range(axis.low, axis.high + 1))
        assert all(isinstance(value_at(axis, share), int) for share in shares[:20])
    for axis in (
        Range(low=0.03, high=3.0, log=True),
        Range(low=-2.0, high=5.0),
        Range(low=1, high=2.5),
    ):
        drawn = [value_at(axis, share) for share in shares]
        assert min(drawn) == pytest.approx(axis.low)
        assert axis.high * 0.99 < max(drawn) <= axis.high
        assert all(value == float(f"{value:.4g}") for value in drawn)
        assert drawn == sorted(drawn)
    assert {value_at((None, "a", 3), share) for share in shares} == {None, "a", 3}
    linear = [value_at(Range(low=2, high=5), share) for share in shares]
    assert [linear.count(value) for value in (2, 3, 4, 5)] == [500] * 4


def test_the_first_points_cover_every_axis_evenly():
    experiment = with_runs(32, (RECIPES, ""))
    for scramble, power in itertools.product(range(4), (2, 4, 5)):
        drawn = values(experiment, "mlp", scramble)[1 : 2**power]  # but for trial 0
        chosen = [one["architecture.activation"] for one in drawn]
        assert {chosen.count("silu"), chosen.count("tanh")} == {
            2 ** (power - 1),
            2 ** (power - 1) - 1,
        }
        places = [np.log(one["recipe.gain"] / 0.5) / np.log(20) for one in drawn]
        parts = np.floor(np.array(places) * 2**power)
        assert len(set(parts)) == 2**power - 1


def test_fewer_trials_are_the_first_of_more_and_nothing_else_moves_them():
    short, long = with_runs(4), with_runs(8)
    few, many = values(short, "kan"), values(long, "kan")
    assert len(few) == POINTS_A_RUN * 4
    assert many[: len(few)] == few
    assert values(short, "kan") == few
    assert values(short, "kan", scramble=1)[1:] != few[1:]
    twins = with_runs(
        4, (MLP_SPACE, KAN_SPACE), ("family: mlp, depth: 2", "family: kan, depth: 2, width: 2")
    )
    assert values(twins, "kan")[1:] != values(twins, "mlp")[1:]
    assert values(twins, "kan") == few


def test_an_axis_with_when_varies_only_there():
    sines = (
        "space: {architecture.activation: [silu, sine], architecture.omega_0: {low: 3.0, "
        "high: 60.0, WHEN}}"
    )
    sines = sines.replace("WHEN", "when: {architecture.activation: sine}")
    drawn = list(points_of(with_runs(8, (MLP_SPACE, sines)), "mlp", 0))[1:]
    for trial in drawn:
        is_sine = trial.values["architecture.activation"] == "sine"
        assert ("architecture.omega_0" in trial.values) == is_sine
        assert (trial.experiment.arms["mlp"].architecture.omega_0 != 30) == is_sine
    assert {"architecture.omega_0" in trial.values for trial in drawn} == {True, False}

    gain = "recipe.gain: {low: 1.0, high: 2.0, when: {architecture.depth: 2}}"
    space = f"space: {{{gain}, recipe.optimizer.history: [5, 20]}}"
    assert all("recipe.gain" in one for one in values(with_runs(8, (MLP_SPACE, space)), "mlp")[1:])
    hidden = ("family: kan, depth: 2, width: 2", "family: kan, hidden: [2]")
    for others, condition in (
        ("architecture.order: {low: 2, high: 4}", "architecture.order: 4"),
        ("recipe.gain: {low: 0.5, high: 10.0}", "recipe.gain: 2.5"),
        ("architecture.order: [2, 3]", "architecture.hidden: [2]"),
        ("architecture.order: [2, 3]", "recipe: levenberg"),
    ):
        space = (
            f"space: {{{others}, architecture.noise: {{low: 1.0, high: 2.0, when: "
            f"{{{condition}}}}}}}"
        )
        drawn = values(with_runs(32, (KAN_SPACE, space), hidden), "kan")[1:]
        path, _, value = condition.partition(": ")
        for one in drawn:
            assert ("architecture.noise" in one) == (str(one.get(path, [2])) == value)
    # A field that is left out of files at its default has it all the same.
    spline = ("family: mlp, depth: 2", "family: spline_mlp, depth: 2, width: 2")
    noise = "architecture.noise: {low: 1.0, high: 2.0, when: {architecture.rank: 1}}"
    space = f"space: {{{noise}, architecture.order: [2, 3]}}"
    experiment = with_runs(4, (MLP_SPACE, space), spline, ("mlp: width}", "mlp: grid}"))
    assert all("architecture.noise" in one for one in values(experiment, "mlp")[1:])


def test_of_a_recipe_that_lacks_a_field_it_is_left_alone():
    space = "space: {recipe.optimizer.history: {low: 20, high: 50}, recipe.gain: [1.0, 3.0]}"
    experiment = with_runs(8, (KAN_SPACE, space))
    for trial in list(points_of(experiment, "kan", 0))[1:]:
        name, recipe = trial.values["recipe"], trial.experiment.recipes[trial.values["recipe"]]
        assert trial.experiment.arms["kan"].recipe == name
        as_written = experiment.recipes[name]
        if name == "lbfgs":
            assert recipe.optimizer.history == trial.values["recipe.optimizer.history"]
        else:
            assert recipe.optimizer == as_written.optimizer
        assert recipe.gain == trial.values["recipe.gain"]
        assert isinstance(recipe, Recipe)
        others = {key: one for key, one in experiment.recipes.items() if key != name}
        assert {key: one for key, one in trial.experiment.recipes.items() if key != name} == others


def test_a_field_that_files_leave_out_at_its_default_can_vary():
    space = "space: {recipe.optimizer.weight_decay: [0.0, 0.1]}"
    by_adam = (
        "kan, depth: 2, width: 2}\n    recipe: lbfgs",
        "kan, depth: 2, width: 2}\n    recipe: cosine",
    )
    experiment = with_runs(4, (RECIPES, ""), (KAN_SPACE, space), by_adam)
    as_written = experiment.recipes["cosine"].model_dump_json()
    seen = set()
    for trial in list(points_of(experiment, "kan", 0))[1:]:
        weight_decay, recipe = (
            trial.values["recipe.optimizer.weight_decay"],
            trial.experiment.recipes["cosine"],
        )
        assert recipe.optimizer.weight_decay == weight_decay
        assert (recipe.model_dump_json() == as_written) == (weight_decay == 0)
        seen.add(weight_decay)
    assert seen == {0.0, 0.1}


def test_the_standard_space_of_every_family_can_be_planned():
    assert {*FAMILIES, "module", "transformer"} == families.FAMILIES.keys()
    for family, (fields, solved, budget) in FAMILIES.items():
        plan = planned(
            changed(
                (f"    {MLP_SPACE}\n", ""),
                ("family: mlp, depth: 2", f"family: {family}, {fields}"),
                ("mlp: width", f"mlp: {solved}"),
                ("runs: 4", "runs: 8"),
                ("at: [40, 90]", f"at: [40, {budget}]"),
                ("4.0e+6", "1e7"),
            )
        )
        space, architecture = plan.spaces["mlp"], plan.experiment.arms["mlp"].architecture
        assert f"architecture.{solved}" not in space
        for path in space:
            if path.startswith("architecture."):
                assert path.removeprefix("architecture.") in type(architecture).model_fields, path
        runs = runs_of(plan, "mlp", budget)
        assert {one.run.network.family for one in runs} == {family}
        assert len({one.run_id for one in runs}) == 8 * 2, family


def runs_of(plan: Manifest, arm: str, asked: float) -> list[PlannedRun]:
    cells = {cell.index for cell in plan.cells if (cell.arm, cell.asked) == (arm, asked)}
    return [one for one in plan.runs if one.cell in cells]


def test_every_budget_has_all_its_runs_where_points_suffice():
    """A point without a size for a budget gives its place to the next; where all are spent, the
    budget has none.
    """
    wide = "space: {architecture.depth: {low: 2, high: 40}, architecture.activation: [silu, tanh]}"
    plan = planned(changed((MLP_SPACE, wide)))
    for arm, asked in itertools.product(("kan", "mlp"), (40, 90)):
        assert [one.trial for one in runs_of(plan, arm, asked)] == [0, 1, 2, 3] * 2
    assert not any(cell.infeasible for cell in plan.cells)
    # Deeper ones cannot be so small.
    assert max(len(one.run.network.shape) for one in runs_of(plan, "mlp", 40)) < 25

    never = (
        "space: {architecture.depth: {low: 39, high: 40}, architecture.activation: [silu, tanh]}"
    )
    plan = planned(changed((MLP_SPACE, never)))
    (cell,) = (cell for cell in plan.cells if (cell.arm, cell.asked) == ("mlp", 40))
    assert runs_of(plan, "mlp", 40) == []
    assert cell.infeasible.startswith("1 of 4 settings of replicate 0 can have it: ")
    assert "of the last point that was tried, {'architecture.depth'" in cell.infeasible


def test_a_plan_counts_the_runs_of_a_trial_a_few_times(monkeypatch):
    """Two late caps and the two about the result tell what an effort allows; packs count nothing
    again.
    """
    of_trial, of_pack = Mock(wraps=count.run_flops), Mock()
    monkeypatch.setattr(count, "run_flops", of_trial)
    monkeypatch.setattr(planning, "run_flops", of_pack)
    plan = planned(changed(("4.0e+6", "4.0e+9")))
    assert of_trial.call_count <= 5 * len(plan.runs)
    of_pack.assert_not_called()


def test_sides_have_equal_trials_in_all():
    other = (
        "  other:\n    architecture: {family: mlp, depth: 3}\n    recipe: lbfgs\n    "
        + MLP_SPACE
        + "\nmatch:"
    )
    both = ("sides: [kan, mlp]", "sides: [kan, [mlp, other]]"), ("mlp: width}", '"*": width}')
    plan = planned(changed(("\nmatch:", f"\n{other}"), *both))
    for asked in (40, 90):
        assert [one.trial for one in runs_of(plan, "kan", asked)] == [0, 1, 2, 3] * 2
        for arm in ("mlp", "other"):
            assert [one.trial for one in runs_of(plan, arm, asked)] == [0, 1] * 2
    assert plan.experiment.sides == (("kan",), ("mlp", "other"))
