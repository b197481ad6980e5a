"""Two studies for all figures and reports: their fits and figures are made once."""

import pytest
from made_study import DECIDE, QUESTION, WINDOW, Study, study
from matplotlib.figure import Figure

from harness.show.figures.scaling import scaling_figure


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Study:
    """A rule, infeasible sizes, and arms: with a window, a diverged run, a refused law, a window
    that ends early.
    """
    return study(
        tmp_path_factory.mktemp("made"),
        {"kan": 1.0, "mlp": 0.5, "bent": 1.0, "turned": 1.0},
        tasks="[exp2d, {target: exp100d, train_points: 500}]",
        question=QUESTION,
        more=f"{DECIDE}\n{WINDOW}",
        diverged=("mlp", 1),
        bent=("bent", "turned"),
    )


@pytest.fixture(scope="session")
def held(tmp_path_factory) -> Study:
    """Two sizes of each arm are held out, the largest of kan breaks its law; no rule and no
    window.
    """
    arms = {"kan": 1.0, "mlp": 0.5}
    return study(tmp_path_factory.mktemp("held"), arms, more="hold_out: 2", bent=("kan",))


@pytest.fixture(scope="session")
def figure(made) -> Figure:
    return scaling_figure(made.manifest, made.laws)


@pytest.fixture(scope="session")
def held_figure(held) -> Figure:
    return scaling_figure(held.manifest, held.laws)
