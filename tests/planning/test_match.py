"""Arms made equal on a command line: nothing nearer exists, and what cannot be met says what can."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.base.errors import HarnessError
from harness.count import count
from harness.families import FAMILIES
from harness.planning.match import MatchSetting, axis_named, match_arms, parse_arm
from harness.spec import Adam, Lbfgs, count_names

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


def _setting(axis="params.trainable", budget=1000.0, evaluations=None, optimizer=None) -> MatchSetting:
    return MatchSetting(axis, budget, 2, 1, 1000, evaluations, optimizer or Lbfgs(name="lbfgs"))


def _refused(arm: str, **setting) -> str:
    with pytest.raises(HarnessError) as caught:
        match_arms([arm], _setting(**setting))
    return str(caught.value)


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
        assert any(said in str(error) for said in ("below its smallest", "whatever the", "beyond"))  # noqa: PT017
        return
    off = abs(one.counts[axis] / budget - 1)
    ((free, size),) = one.solved.items()
    for value in (size - 1, size + 1):
        neighbour = _neighbour(one.network, free, value)
        assert neighbour is None or abs(count(neighbour)[axis] / budget - 1) >= off


def _smallest(arm: str) -> dict:
    fields = {"grid": 1, "degree": 1} if "kan" in arm or "spline" in arm else {}
    shape = FAMILIES[arm.split()[0]].network
    return {"shape": (2, 1), **{name: value for name, value in fields.items() if name in shape.model_fields}}


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
        ("mlp depth=3 omega_0=9", "'mlp depth=3 omega_0=9': omega_0=9: it is the frequency of activation: sine, and"),
        ("mlp depth=3 features=0", "features=0: input should be greater than 0"),
        ("", "family ''"),
    ],
)
def test_an_arm_that_makes_no_sense_is_answered(arm, said):
    assert said in _refused(arm)


@pytest.mark.parametrize(
    ("arm", "setting", "said"),
    [
        ("mlp depth=3", {"budget": 3}, "`arms` 'mlp depth=3': 3 is below its smallest network: width=1 has params"),
        ("kan width=3 grid=3", {"budget": 20}, "depth=2 has params.trainable=63; ask for that or more"),
        ("mlp depth=3", {"budget": 1e30}, "'mlp depth=3': 1e+30 is beyond width=1,048,576"),
        ("mlp width=8", {"budget": 1e9}, "'mlp width=8': 1,000,000,000 is beyond depth=1,024"),
        ("kan hidden=[5]", {"axis": "flops_forward.local_min"}, "local_min is 465 whatever the grid; solve for"),
        ("rbf_kan depth=2 grid=4", {"axis": "params.paper"}, "params.paper does not count rbf_kan"),
        ("kan hidden=[5]", {"axis": "flops_train.local_min"}, "how long it trains; give `evaluations`"),
    ],
)
def test_a_budget_out_of_reach_names_the_nearest(arm, setting, said):
    assert said in _refused(arm, **setting)


def test_an_axis_without_its_convention_has_the_default():
    assert axis_named("flops_forward") == "flops_forward.shared_dense"
    assert axis_named("flops_train.local_min") == "flops_train.local_min"
    with pytest.raises(HarnessError, match="did you mean 'flops_train'"):
        axis_named("flops")


def test_words_of_an_arm_are_yaml_values():
    arm = parse_arm("kan hidden=[5,4] base=false noise=1e-2")
    assert (arm.hidden, arm.base, arm.noise) == ((5, 4), False, 0.01)
