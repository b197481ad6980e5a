"""Diagnostics against what they are for a straight line, faults that were made, and the checklist
that reports them.
"""

import numpy as np
import pytest
from made_runs import curve, runs
from scipy.stats import f as f_distribution

from harness.laws import cross_check, data_hash, diagnose, fit_law, select_law
from harness.laws.checklist import FORMS, NOT_KNOWN, PARAMETERS, PRINCIPLES, checklist, to_markdown
from harness.laws.groups import law_by_groups
from harness.laws.law import LAWS
from harness.laws.points import Known

SIZES = np.geomspace(1e2, 1e5, 7)


def test_of_a_line_leverage_is_the_hat_matrix():
    """Leverages of the pure law are the diagonal of X (X'X)^-1 X', and add up to the parameters."""
    x, y = runs(np.random.default_rng(1), SIZES, SIZES**-0.7, seeds=2, sd=0.2)
    found = diagnose(fit_law(x, y, "pure"))
    design = np.column_stack([np.ones(7), np.log(SIZES)])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    assert found.leverage == pytest.approx(np.diag(hat), rel=1e-9)
    assert found.leverage.sum() == pytest.approx(2)
    scaled = np.column_stack([np.ones(7), np.log(SIZES / SIZES[0])])
    assert found.condition == pytest.approx(np.linalg.cond(scaled / np.linalg.norm(scaled, axis=0)))


@pytest.mark.parametrize("law", ["pure", "floor"])
def test_drop_one_is_a_fit_without_the_size(law):
    x, y = runs(np.random.default_rng(2), SIZES, curve(SIZES, 1.0), seeds=2, sd=0.05)
    found = diagnose(fit_law(x, y, law))
    for index, size in enumerate(SIZES):
        other = fit_law(x[x != size], y[x != size], law)
        assert found.drop_one[index] == pytest.approx(other.alpha, rel=1e-7)


def test_numbers_of_the_fit():
    x, y = runs(np.random.default_rng(3), SIZES, curve(SIZES, 1.0), seeds=2, sd=0.05)
    fit = fit_law(x, y, "floor")
    found = diagnose(fit)
    law = fit.floor + fit.amplitude * SIZES**-fit.alpha
    assert (found.sizes, found.runs, found.dof) == (7, 14, 4)
    assert found.decades_x == pytest.approx(3)
    assert found.decades_y == pytest.approx(
        np.log10(fit.points.means.max() / fit.points.means.min())
    )
    assert found.residuals == pytest.approx(np.log(fit.points.means / law), abs=1e-9)
    assert found.reducible_over_floor == pytest.approx((law / fit.floor - 1)[-1])
    assert found.deltas["squares"] == pytest.approx(fit.alpha, rel=1e-6)
    assert found.deltas["13.45 sd"] == pytest.approx(fit.alpha, rel=1e-6)
    assert -1 <= found.alpha_floor_correlation <= 1
    assert np.argsort(found.normal_scores).tolist() == np.argsort(found.residuals).tolist()


def test_faults_are_tests_of_the_term_that_they_add():
    """Of the pure law: the F test of least squares with a column more, as statsmodels or any
    textbook has it.
    """
    rng = np.random.default_rng(3)
    x = np.geomspace(1e2, 1e5, 9)
    u = np.log(x / x[0])
    fit = fit_law(x, x**-0.5 * np.exp(0.1 * rng.standard_normal(9)), "pure")
    v = np.log(fit.points.means)
    added = {"break": np.maximum(u - u[-1] / 2, 0), "shift": np.exp(-u), "end": u == u[-1]}
    added["floor"] = np.exp(fit.alpha * u)
    line = np.column_stack([np.ones(9), u])
    before = np.linalg.lstsq(line, v, rcond=None)[1][0]
    for kind, column in added.items():
        coefficients, after = np.linalg.lstsq(np.column_stack([line, column]), v, rcond=None)[:2]
        chance = f_distribution.sf((before - after[0]) / (after[0] / 6), 1, 6)
        if kind == "floor":  # which only raises losses
            chance = chance / 2 if coefficients[2] > 0 else 1 - chance / 2
        assert fit.misfit.faults[kind] == pytest.approx(chance, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "bent"),
    [
        ("floor", lambda u: np.logaddexp(-0.5 * u, -2.5)),
        ("break", lambda u: -0.5 * u - 0.2 * np.maximum(u - 3.5, 0)),
        ("shift", lambda u: -0.5 * np.logaddexp(u, 1)),
        ("end", lambda u: -0.5 * u + 0.3 * (u == u[-1])),
    ],
)
def test_a_fault_is_called_by_its_name(kind, bent):
    x = np.geomspace(1e2, 1e5, 10)
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(10))
    fit = fit_law(x, np.exp(bent(np.log(x / x[0]))) * noise, "pure")
    assert min(fit.misfit.faults, key=fit.misfit.faults.get) == kind
    (misfit,) = [caution.reason for caution in fit.warnings if caution.code == "MISFIT"]
    assert f"({kind}, p = " in misfit


def test_the_hash_is_of_the_rows_whatever_their_order():
    x, y = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    assert data_hash(x, y) == data_hash(x[::-1], y[::-1])
    assert data_hash(x, y) != data_hash(x, [3.0, 2.0, 1.5])


def runs_of_a_floor(sizes=9, seeds=3):
    x = np.repeat(np.geomspace(10, 1e4, sizes), seeds)
    return x, (0.1 + 20 * x**-0.8) * np.exp(0.03 * np.random.default_rng(0).standard_normal(x.size))


def answer(items, start):
    (found,) = [item for item in items if item.question.startswith(start)]
    return found


def test_what_is_known_is_filled_in():
    x, y = runs_of_a_floor()
    selection = select_law(x, y)
    fit = selection.fits["floor"]
    check = cross_check(x, y, fit, replicates=100)
    items = checklist(fit, diagnose(fit), selection, check, "params", "rmse", "runs.csv")
    assert answer(items, "What is the form").answer == "y = E + A x^-alpha"
    assert answer(items, "Which variables").answer == "rmse as a function of params"
    assert (
        answer(items, "How many models").answer == "27 runs at 9 sizes from 10 to 1e+04 (3 decades)"
    )
    assert answer(items, "Where are the runs").answer == "runs.csv"
    assert answer(items, "Which objective").answer.startswith(f"{fit.objective} of ln loss")
    assert (
        f"alpha {fit.alpha:.4g} [{fit.alpha_interval.low:.4g}, "
        in answer(items, "How certain").answer
    )
    assert f"bootstrap over sizes [{check.pairs.low:.4g}, " in answer(items, "How certain").answer
    assert (
        f"{selection.extrapolation['floor'].rmsle:.3g} over"
        in answer(items, "Does the law extrapolate").answer
    )
    assert "chosen: floor" in answer(items, "Which other forms").answer


def test_what_only_the_author_knows_is_asked_for():
    items = checklist(fit_law(*runs_of_a_floor(), "floor"))
    still_open = [item.question for item in items if not item.filled]
    assert len(still_open) == 12
    assert all(NOT_KNOWN in item.answer for item in items if not item.filled)
    assert answer(items, "How were hyperparameters").answer == NOT_KNOWN


def test_what_was_given_and_how_intervals_were_made_is_said():
    x, y = runs_of_a_floor()
    floor = checklist(fit_law(x, y, "floor", known=Known(floor=1e-9)))
    assert answer(floor, "Which parameters").answer == "A, alpha; E is given"
    assert "for 2 parameters" in answer(floor, "How is it started").answer
    plain = fit_law(x, y, "pure")
    sd = np.exp(np.random.default_rng(0).standard_normal(y.size)) * y
    errors = checklist(fit_law(x, y, "pure", known=Known(sd)))
    assert (
        "sizes weigh by the standard errors that were given"
        in answer(errors, "Are all points").answer
    )
    assert "95%, of the standard errors that were given)" in answer(errors, "How certain").answer
    grouped = law_by_groups(plain, x, y, np.tile([*"abcdef", *"abc"], 3).tolist())
    assert "(jackknife over 6 groups, 95%)" in answer(checklist(grouped), "How certain").answer


def test_a_refused_law_shows_its_reason_and_no_exponent():
    fit = fit_law(*runs_of_a_floor(sizes=3), "floor")
    items = checklist(fit)
    assert "TOO_FEW" in answer(items, "How certain").answer
    assert not any("alpha 0" in item.answer for item in items)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_its_words(law):
    assert FORMS[law]
    assert PRINCIPLES[law]
    assert len(PARAMETERS[law].split(", ")) == LAWS[law].parameters


def test_markdown_has_a_task_for_every_item():
    items = checklist(fit_law(*runs_of_a_floor(), "pure"), x_name="params")
    text = to_markdown(items)
    assert text.count("- [x] ") == sum(item.filled for item in items)
    assert text.count("- [ ] ") == sum(not item.filled for item in items)
    assert text.count("### ") == 4
    assert all(f"{item.question} {item.answer}" in text for item in items)
