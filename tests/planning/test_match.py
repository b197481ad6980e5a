"""Arms made equal on a command line: nothing nearer exists, and what cannot be met says what
can.
"""

import pytest
from commands import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.base.errors import HarnessError
from harness.count import count, run_flops
from harness.families import FAMILIES
from harness.optimisers import Adam, Lbfgs
from harness.planning.match import MatchSetting, axis_named, match_arms, parse_arm
from harness.planning.plan import make_plan
from harness.planning.points import points_of
from harness.spec.counts import count_names
from harness.spec.read import parse_experiment

# One size is left open in each: the grid, the degree, the width or the depth.
ARMS = (
    "kan hidden=[5]",
    "kan depth=2 grid=5",
    "kan width=3 grid=3",
    "mlp depth=3",
    "mlp width=8",
    "spline_mlp depth=3 grid=5",
    "spline_mlp hidden=[5,5] place=before",
    "rbf_kan hidden=[5]",
    "chebyshev_kan hidden=[5]",
    "rational_kan depth=3",
)
FORWARD = [name for name in count_names() if not name.startswith("flops_train")]


def _setting(
    axis="params.trainable", budget=1000.0, evaluations=None, optimizer=None
) -> MatchSetting:
    return MatchSetting(axis, budget, 2, 1, 1000, evaluations, optimizer or Lbfgs(name="lbfgs"))


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("axis", FORWARD)
@settings(max_examples=5)
@given(budget=st.floats(300, 1e5))
def test_no_neighbour_is_nearer(arm, axis, budget):
    if axis not in count(FAMILIES[arm.split()[0]].network.model_validate(_smallest(arm))):
        return
    try:
        (one,) = match_arms([arm], _setting(axis, budget))
    except HarnessError as error:
        reasons = ("below its smallest", "whatever the", "beyond")
        assert any(said in str(error) for said in reasons)  # noqa: PT017
        return
    off = abs(one.counts[axis] / budget - 1)
    ((free, size),) = one.solved.items()
    for value in (size - 1, size + 1):
        neighbour = _neighbour(one.network, free, value)
        assert neighbour is None or abs(count(neighbour)[axis] / budget - 1) >= off


def _smallest(arm: str) -> dict:
    fields = {"grid": 1, "degree": 1} if "kan" in arm or "spline" in arm else {}
    shape = FAMILIES[arm.split()[0]].network
    return {
        "shape": (2, 1),
        **{name: value for name, value in fields.items() if name in shape.model_fields},
    }


def _neighbour(network, free, value):
    """The matched network with another value of its open size."""
    if value < (2 if free == "depth" else 1):
        return None
    if free in ("grid", "degree"):
        return network.model_copy(update={free: value})
    hidden = network.shape[1:-1]
    hidden = (value,) * len(hidden) if free == "width" else hidden[:1] * (value - 1)
    return network.model_copy(update={"shape": (2, *hidden, 1)})


@pytest.mark.parametrize("optimizer", [Adam(name="adam"), Lbfgs(name="lbfgs")])
def test_with_all_sizes_given_steps_are_solved_for(optimizer):
    setting = _setting("flops_train.local_min", 1e9, optimizer=optimizer)
    for one in match_arms(["kan hidden=[5] grid=5", "mlp depth=3 width=9"], setting):
        assert list(one.solved) == ["steps"]
        assert one.counts["flops_train.local_min"] == pytest.approx(1e9, rel=0.01)


def test_with_evaluations_given_a_size_is_solved_for():
    (mlp,) = match_arms(["mlp depth=3"], _setting("flops_train.shared_dense", 1e9, evaluations=500))
    assert list(mlp.solved) == ["width"]
    assert mlp.counts["flops_train.shared_dense"] == pytest.approx(1e9, rel=0.05)


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("kan widht=5", "widht: unknown field; did you mean 'width'?"),
        ("mlpp depth=3", "did you mean 'mlp'?"),
        ("kan depth=2", "leaves width and grid open; give all of them but one"),
        ("kan hidden=[5] grid=3", "leaves no size open"),
        ("kan hidden=[0]", "hidden.0=0: input should be greater than 0"),
        ("kan hidden=[5] grid=-3", "grid=-3: input should be greater than 0"),
        ("kan hidden=[5] order=6", "order=6: input should be less than or equal to 5"),
        ("kan hidden=5,5", "a list is expected; write [5,5]"),
        ("kan hidden", "'hidden' is not field=value"),
        ("mlp hidden=[4] width=3", "leaves no size open"),
        (
            "mlp depth=3 omega_0=9",
            "'mlp depth=3 omega_0=9': omega_0=9: it is the frequency of activation: sine, and",
        ),
        ("mlp depth=3 features=0", "features=0: input should be greater than 0"),
        ("", "family ''"),
    ],
)
def test_an_arm_that_makes_no_sense_is_answered(arm, said):
    assert said in refused(match_arms, [arm], _setting())


@pytest.mark.parametrize(
    ("arm", "setting", "said"),
    [
        (
            "mlp depth=3",
            {"budget": 3},
            "`arms` 'mlp depth=3': 3 is below its smallest network: width=1 has params",
        ),
        (
            "kan width=3 grid=3",
            {"budget": 20},
            "depth=2 has params.trainable=63; ask for that or more",
        ),
        ("mlp depth=3", {"budget": 1e30}, "'mlp depth=3': 1e+30 is beyond width=1,048,576"),
        ("mlp width=8", {"budget": 1e9}, "'mlp width=8': 1,000,000,000 is beyond depth=1,024"),
        (
            "kan hidden=[5]",
            {"axis": "flops_forward.local_min"},
            "local_min is 465 whatever the grid; solve for",
        ),
        ("rbf_kan depth=2 grid=4", {"axis": "params.paper"}, "params.paper does not count rbf_kan"),
        (
            "kan hidden=[5]",
            {"axis": "flops_train.local_min"},
            "how long it trains; give `evaluations`",
        ),
    ],
)
def test_a_budget_out_of_reach_names_the_nearest(arm, setting, said):
    assert said in refused(match_arms, [arm], _setting(**setting))


def test_an_axis_without_its_convention_has_the_default():
    assert axis_named("flops_forward") == "flops_forward.shared_dense"
    assert axis_named("flops_train.local_min") == "flops_train.local_min"
    assert "did you mean 'flops_train'" in refused(axis_named, "flops")


def test_words_of_an_arm_are_yaml_values():
    arm = parse_arm("kan hidden=[5,4] base=false noise=1e-2")
    assert (arm.hidden, arm.base, arm.noise) == ((5, 4), False, 0.01)


TEXT = """
question: Which block?
tasks: [{target: mess3, context: 4, train_points: 64}]
arms:
  mlp: {architecture: {family: transformer, layers: 1, block: {family: mlp}}, recipe: adam, sizes: {width: [8, 16]}}
  kan: {architecture: {family: transformer, layers: 1, block: {family: kan, grid: 3}}, recipe: adam}
match: {axis: params, like: mlp, solve: block.width, tol: 0.15}
recipes: {adam: {optimizer: {name: adam, batch_size: 32}, max_evaluations: 10}}
seeds: [0]
"""
ARMS = ("mlp", "kan")
SEARCH = """
search: {runs: 3, replicates: 2, cap: {evaluations: 10}}
"""


def planned(*changes: tuple[str, str]):
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return make_plan(parse_experiment(text), "swap")


def test_all_arms_have_the_backbone_of_the_model_and_nearly_its_count():
    cells = {(cell.arm, cell.asked): cell for cell in planned().cells}
    budgets = sorted(asked for arm, asked in cells if arm == "mlp")
    assert [cells["mlp", asked].network.block.shape for asked in budgets] == [
        (8, 32, 8),
        (16, 64, 16),
    ]
    for asked in budgets:
        model, other = cells["mlp", asked], cells["kan", asked]
        assert model.counts["params.trainable"] == asked
        assert other.network.backbone == model.network.backbone
        assert abs(other.counts["params.trainable"] / asked - 1) <= 0.15
        assert {cell.series for cell in cells.values()} == {"mlp", "kan"}


def test_an_axis_that_changes_the_counts_of_the_model_solves_all_arms_again():
    axes = "seeds: [0]\ngrid: {arms.mlp.architecture.layers: [1, 2]}"
    cells = planned(("seeds: [0]", axes)).cells
    for layers in (1, 2):
        of_mlp, of_kan = (
            [cell.asked for cell in cells if cell.series == f"{arm} layers={layers}"]
            for arm in ARMS
        )
        assert of_mlp == of_kan
        assert len(of_kan) == 2


@pytest.mark.parametrize(("axis", "series"), [("params", 1), ("flops_train", 2)])
def test_how_the_model_is_trained_splits_other_arms_where_training_is_what_is_equal(axis, series):
    of_own = ("{width: [8, 16]}}", "{width: [16, 32]}}"), ("recipe: adam}\n", "recipe: own}\n")
    own = "recipes: {own: {optimizer: {name: adam}, max_evaluations: 10}, "
    axes = "seeds: [0]\ngrid: {recipes.adam.max_evaluations: [10, 20]}"
    plan = planned(
        *of_own, ("recipes: {", own), ("axis: params", f"axis: {axis}"), ("seeds: [0]", axes)
    )
    assert len({cell.series for cell in plan.cells if cell.arm == "kan"}) == series


def test_training_flops_can_be_what_is_equal():
    plan = planned(("axis: params", "axis: flops_train"), ("[8, 16]", "[16, 32]"))
    for cell in plan.cells:
        run = next(planned.run for planned in plan.runs if planned.cell == cell.index)
        spent = run_flops(run.network, run.recipe, run.task)
        assert cell.counts["flops_train.shared_dense"] == spent["flops_train.shared_dense"]
        assert abs(cell.residual) <= 0.15


def test_a_size_of_the_ladder_can_be_the_number_of_layers():
    of_layers = ("sizes: {width: [8, 16]}", "sizes: {layers: [1, 2]}")
    cells = planned(("transformer, layers: 1", "transformer, width: 8"), of_layers).cells
    assert sorted(cell.network.layers for cell in cells) == [1, 1, 2, 2]


def test_a_space_of_lists_as_large_as_the_runs_is_trained_whole_in_every_replicate():
    rates = "{recipe.optimizer.learning_rate: [1.0e-3, 3.0e-3, 1.0e-2]}"
    text = TEXT.replace("seeds: [0]", SEARCH).replace(
        "width: [8, 16]}", f"width: [8, 16]}}, space: {rates}"
    )
    orders = "space: {architecture.block.order: [3, 2, 1]}"
    text = text.replace("grid: 3}}, recipe: adam", f"grid: 3}}}}, recipe: adam, {orders}")
    experiment = parse_experiment(text)
    assert experiment.sizes == 2
    for scramble in (0, 1):
        points = [point.values for point in points_of(experiment, "kan", scramble)]
        assert points == [{}, {"architecture.block.order": 2}, {"architecture.block.order": 1}]
    runs = make_plan(experiment, "swap").runs
    of_mlp = [run.run for run in runs if run.run.network.block.family == "mlp"]
    drawn = {(run.seed, run.network.width, run.recipe.optimizer.learning_rate) for run in of_mlp}
    assert len(drawn) == len(of_mlp) == 2 * 2 * 3
    assert {(run.network.width, run.recipe.max_evaluations) for run in of_mlp} == {
        (8, 10),
        (16, 10),
    }


TRANSFORMER = "{family: transformer, layers: 1, block: {family: kan, grid: 3}}"
REFUSED = {
    (
        "like: mlp",
        "like: kan",
    ): r"match\.like=kan: its sizes make the budgets; add arms\.kan\.sizes",
    ("like: mlp", "like: mlp, at: [100]"): "give one of at, the budgets, and like",
    (
        "3}}, recipe: adam}",
        "3}}, recipe: adam, sizes: {width: [8]}}",
    ): r"arms\.kan\.sizes: with match\.like",
    (
        TRANSFORMER,
        "{family: kan, grid: 3, depth: 2}",
    ): "family=kan: mess3 is of sequences, which a transformer learns",
    (
        "{target: mess3, context: 4, train_points: 64}",
        "xy",
    ): r"it learns sequences \(.*mess3, .*\), and xy is none",
    (
        "{name: adam, batch_size: 32}",
        "{name: lbfgs}",
    ): "name=lbfgs: each evaluation of mess3 sees fresh sequences",
    ("batch_size: 32", "batch_size: 65"): "batch_size=65: more than the train_points=64 of mess3",
    ("family: kan, grid: 3", "family: kan, grid: 3, low: 2"): "low=2 must be below high=1",
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_does_not_go_is_said(change):
    with pytest.raises(HarnessError, match=REFUSED[change]):
        planned(change)
