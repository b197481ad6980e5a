"""Published data with published fits: the numbers that others found, through the public functions
alone.
"""

import numpy as np
import pandas as pd
import pytest
from commands import refused
from shared_data import shared

from harness import comparison
from harness.laws import fit_law, fit_surface, predict, select_law
from harness.laws.fitting import extended

pytestmark = pytest.mark.nightly
PUBLISHED_HUBER = "huber_log(delta=1e-3)"  # of Hoffmann et al. 2022 and those who follow them


def rmsle(fit, x, y):
    """The root mean square of ln(law / y), however far the x."""
    return float(np.sqrt(np.mean(np.log(extended(fit, x) / y) ** 2)))


@pytest.mark.parametrize(
    ("objective", "alpha", "beta", "printed"),
    [
        (PUBLISHED_HUBER, 0.200196, 0.635697, "huber_log(delta=0.001)"),
        ("least_squares", 0.216, 0.540, "least_squares"),
        ("huber", 0.168, 0.565, "huber(delta=0.0382, 1.345 sd)"),
    ],
)
def test_misfitting(objective, alpha, beta, printed):
    """261 language models: the published exponents by the published loss, others by others, and
    which one is said.
    """
    runs = pd.read_csv(shared("scaling_data", "misfitting", "scaling_results_last_ckpt_only.csv"))
    fit = fit_surface(runs["N"], runs["D"], runs["loss"], objective=objective)
    assert fit.objective == printed
    rel = 0.002 if objective == PUBLISHED_HUBER else 0.003
    assert fit.alpha.value == pytest.approx(alpha, rel=rel)
    assert fit.beta.value == pytest.approx(beta, rel=rel)
    if objective == PUBLISHED_HUBER:
        assert fit.loss == pytest.approx(0.0050216542, rel=1e-6)
        assert np.log(fit.floor.value) == pytest.approx(0.592076, rel=0.002)


def test_bnsl_four_digit_addition():
    """The loss falls off a cliff: the broken law is chosen, has the known parameters, and alone
    predicts the rest.
    """
    points = pd.read_csv(shared("scaling_data", "bnsl_4digit", "points.csv"))
    seen, later = points[points["split"] == "fit"], points[points["split"] == "extrapolate"]
    found = select_law(seen["n_train"], seen["test_xent"])
    assert found.chosen == "broken"
    broken = found.fits["broken"]
    assert broken.floor == pytest.approx(0.414, rel=0.02)
    assert broken.alpha == pytest.approx(0.0551 + 5.663, rel=0.02)
    assert broken.more["first_alpha"].value == pytest.approx(0.0551, rel=0.01)
    assert broken.more["break_at"].value == pytest.approx(612.6, rel=0.001)
    assert broken.more["width"].value == pytest.approx(0.0592, rel=0.005)
    assert rmsle(broken, later["n_train"], later["test_xent"]) <= 0.02
    assert rmsle(found.fits["floor"], later["n_train"], later["test_xent"]) == pytest.approx(
        0.805, abs=0.01
    )
    assert predict(broken, later["n_train"]) == pytest.approx(
        later["test_xent"].to_numpy(), rel=0.02
    )
    assert "local slope" in refused(predict, found.fits["pure"], later["n_train"])


@pytest.mark.parametrize("router", ["S-Base", "RL-R", "Hash"])
def test_routing(router):
    """A pure law for every number of experts: the dense one is -.0785 on log10 over log10, more
    experts are flatter.
    """
    runs = pd.read_csv(shared("scaling_data", "routing", f"final_{router}.csv"))
    fits = {
        experts: fit_law(arm["dense_parameter_count"], arm["loss_validation"], "pure")
        for experts, arm in runs.groupby("num_experts")
    }
    assert not any(fit.refusals for fit in fits.values())
    assert fits[1].alpha == pytest.approx(0.0785, abs=0.0001)
    assert fits[512].alpha < fits[64].alpha < fits[8].alpha < fits[1].alpha


@pytest.mark.parametrize(("experts", "most"), [(8, 2.2), (32, 4.5), (128, 8.7), (512, 13)])
def test_routing_saves_parameters(experts, most):
    """A dense model needs so many times the parameters of a routed one for one loss: at each size
    what two straight lines in logs say, and `most` at the smallest one.
    """
    runs = pd.read_csv(shared("scaling_data", "routing", "final_S-Base.csv"))
    sizes, losses, lines = {}, {}, {}
    for name, count in (("routed", experts), ("dense", 1)):
        arm = runs[runs["num_experts"] == count]
        sizes[name], losses[name] = arm["dense_parameter_count"], arm["loss_validation"]
        slope, level = np.polyfit(np.log(sizes[name]), np.log(losses[name]), 1)
        lines[name] = (1 / slope, -level / slope)
    found = comparison.multiplier(sizes, losses, floor=0.0)
    for place in found.sizes:
        needed = np.polyval(lines["dense"], np.log(place.loss))
        assert place.multiplier.value == pytest.approx(np.exp(needed) / place.size, rel=1e-4)
    assert found.sizes[0].multiplier.value == pytest.approx(most, rel=0.02)


def test_chinchilla_by_ml_scalefit():
    """Huber's loss of linear residuals gave .36, .40, E 1.8608, optimum .3692, .4024. In logs alpha
    is .378.
    """
    runs = pd.read_csv(shared("scaling_data", "openathena_isoflops", "isoflops.csv"))
    runs = runs[runs["source"] == "ml_scalefit"]
    fit = fit_surface(
        runs["params"] / 1e6, runs["tokens"] / 1e9, runs["loss"], objective=PUBLISHED_HUBER
    )
    assert fit.rows == 124
    assert fit.alpha.value == pytest.approx(0.378, abs=0.001)
    for estimate, published in ((fit.alpha, 0.3692), (fit.beta, 0.4024), (fit.floor, 1.8608)):
        assert estimate.interval.low < published < estimate.interval.high
    raw = fit_surface(runs["params"], runs["tokens"], runs["loss"], objective=PUBLISHED_HUBER)
    assert raw.alpha.value == pytest.approx(fit.alpha.value, rel=1e-6)
    assert raw.a == pytest.approx(fit.a * 1e6**fit.alpha.value, rel=1e-5)


def test_every_open_athena_sweep_has_a_surface():
    """Seven sweeps with and without outliers: finite estimates inside of their intervals, starts
    that agree.
    """
    runs = pd.read_csv(shared("scaling_data", "openathena_isoflops", "isoflops.csv"))
    for _, sweep in runs.groupby("experiment"):
        for kept in (sweep, sweep[~sweep["outlier"]]):
            fit = fit_surface(kept["params"], kept["tokens"], kept["loss"])
            assert not fit.refusals
            assert fit.starts_agreeing > 0.3
            for one in (fit.alpha, fit.beta, fit.floor, fit.allocation):
                assert np.isfinite(one.value)
                assert one.interval.low <= one.value <= one.interval.high


@pytest.mark.parametrize(("how", "alpha", "floor"), [("min", 0.237, 1.43), ("median", 0.152, 1.03)])
def test_tuning_decides_the_exponent(how, alpha, floor):
    """The least and the median smooth loss over learning rates and batch sizes have other laws, and
    no sure floor.
    """
    runs = pd.read_csv(shared("scaling_data", "steplaw", "dense_lr_bs_loss.csv"))
    cells = runs.groupby(["N", "D"])["smooth loss"].agg(how).reset_index()
    fit = fit_surface(cells["N"], cells["D"], cells["smooth loss"])
    assert fit.cells == 17
    assert fit.alpha.value == pytest.approx(alpha, abs=0.001)
    assert fit.floor.value == pytest.approx(floor, abs=0.005)
    assert {caution.code for caution in fit.warnings} == {"LOCAL_SLOPE", "FLOOR_OPEN"}


def test_a_floor_of_nothing_is_no_refusal():
    """By the raw loss Step Law's 17 cells want no floor: it is 0, its interval open, and the
    exponents stand.
    """
    runs = pd.read_csv(shared("scaling_data", "steplaw", "dense_lr_bs_loss.csv"))
    cells = runs.groupby(["N", "D"])["loss"].min().reset_index()
    fit = fit_surface(cells["N"], cells["D"], cells["loss"])
    assert not fit.refusals
    assert fit.floor.value == 0
    assert fit.floor.interval.low_open


@pytest.mark.parametrize("objective", ["least_squares", PUBLISHED_HUBER])
def test_vision_curves_extrapolate(objective):
    """Errors at later sizes of 72 curves: .1046 pure, .0725 with a floor, .0880 for the last value;
    none is refused.
    """
    curves = pd.read_csv(shared("scaling_data", "colpret", "revisiting_vision.csv"))
    errors = []
    for _, curve in curves.groupby(["Domain", "Task", "Model"]):
        seen, later = curve[curve["Training"] == 1], curve[curve["Training"] == 0]
        last = seen.sort_values("Seen Examples")["Loss"].iloc[-1]
        laws = [
            fit_law(seen["Seen Examples"], seen["Loss"], law, objective=objective, intervals=False)
            for law in ("pure", "floor")
        ]
        assert not any(law.refusals for law in laws)
        held = [rmsle(law, later["Seen Examples"], later["Loss"]) for law in laws]
        errors.append([*held, np.sqrt(np.mean(np.log(last / later["Loss"]) ** 2))])
    pure, floor, last = np.transpose(errors)
    assert len(errors) == 72
    assert np.mean(floor <= pure * (1 + 1e-6)) >= 0.986
    assert last.mean() == pytest.approx(0.0880, abs=0.0001)
    if objective == "least_squares":
        assert (pure.mean(), floor.mean()) == (
            pytest.approx(0.1046, abs=1e-4),
            pytest.approx(0.0725, abs=1e-4),
        )


def like_chinchilla(rng, rows=240):
    """Language models on the surface that Besiroglu et al. (2024) fitted, with heavy-tailed noise
    of 1 %.
    """
    n, d = np.exp(rng.uniform(np.log([[4e7], [1e9]]), np.log([[1.6e10], [5e11]]), (2, rows)))
    return (
        n,
        d,
        (1.82 + 482 * n**-0.348 + 2085 * d**-0.366) * np.exp(0.01 * rng.standard_t(3, rows)),
    )


@pytest.mark.parametrize("objective", [PUBLISHED_HUBER, "auto"])
def test_surfaces_like_chinchillas_are_recovered(objective):
    rng = np.random.default_rng(1)
    held, estimates = [], []
    for _ in range(6):
        fit = fit_surface(*like_chinchilla(rng), objective=objective)
        assert fit.starts_agreeing > 0.5
        pairs = (
            (fit.alpha, 0.348),
            (fit.beta, 0.366),
            (fit.floor, 1.82),
            (fit.allocation, 0.366 / 0.714),
        )
        held += [one.interval.low <= truth <= one.interval.high for one, truth in pairs]
        estimates.append([one.value for one, _ in pairs])
    assert np.mean(held) > 0.95 - 3 * np.sqrt(
        0.95 * 0.05 / 6
    )  # the four of a sweep are hardly independent
    assert np.mean(estimates, axis=0) == pytest.approx(
        [0.348, 0.366, 1.82, 0.366 / 0.714], rel=0.02
    )


def test_surfaces_without_a_slope_say_so():
    """A plateau has exponents without ends, a law of D alone none of N: cautions or a refusal, no
    bare number.
    """
    rng = np.random.default_rng(2)
    n, d, _ = like_chinchilla(rng)
    noise = np.exp(0.01 * rng.standard_normal(n.size))
    plateau = fit_surface(n, d, 1.8 * noise)
    assert plateau.refusals or "EXPONENT_OPEN" in {caution.code for caution in plateau.warnings}
    of_d = fit_surface(n, d, (1.8 + 2085 * d**-0.366) * noise)
    assert of_d.refusals or "EXPONENT_OPEN" in {caution.code for caution in of_d.warnings}
