"""The reporting checklist: it says what the fit knows, and admits what it does not."""

import numpy as np
import pytest

from harness.laws import cross_check, diagnose, fit_law, select_law
from harness.laws.checklist import FORMS, NOT_KNOWN, PARAMETERS, PRINCIPLES, checklist, to_markdown
from harness.laws.law import LAWS


def runs(sizes=9, seeds=3):
    x = np.repeat(np.geomspace(10, 1e4, sizes), seeds)
    return x, (0.1 + 20 * x**-0.8) * np.exp(0.03 * np.random.default_rng(0).standard_normal(x.size))


def answer(items, start):
    (found,) = [item for item in items if item.question.startswith(start)]
    return found


def test_what_is_known_is_filled_in():
    x, y = runs()
    selection = select_law(x, y)
    fit = selection.fits["floor"]
    check = cross_check(x, y, fit, replicates=100)
    items = checklist(fit, diagnose(fit), selection, check, "params", "rmse", "runs.csv")
    assert answer(items, "What is the form").answer == "y = E + A x^-alpha"
    assert answer(items, "Which variables").answer == "rmse as a function of params"
    assert answer(items, "How many models").answer == "27 runs at 9 sizes from 10 to 1e+04 (3 decades)"
    assert answer(items, "Where are the runs").answer == "runs.csv"
    assert answer(items, "Which objective").answer.startswith(f"{fit.objective} of ln loss")
    assert f"alpha {fit.alpha:.4g} [{fit.alpha_interval.low:.4g}, " in answer(items, "How certain").answer
    assert f"bootstrap over sizes [{check.pairs.low:.4g}, " in answer(items, "How certain").answer
    assert f"{selection.extrapolation['floor'].rmsle:.3g} over" in answer(items, "Does the law extrapolate").answer
    assert "chosen: floor" in answer(items, "Which other forms").answer


def test_what_only_the_author_knows_is_asked_for():
    items = checklist(fit_law(*runs(), "floor"))
    still_open = [item.question for item in items if not item.filled]
    assert len(still_open) == 12
    assert all(NOT_KNOWN in item.answer for item in items if not item.filled)
    assert answer(items, "How were hyperparameters").answer == NOT_KNOWN


def test_a_refused_law_shows_its_reason_and_no_exponent():
    fit = fit_law(*runs(sizes=3), "floor")
    items = checklist(fit)
    assert "TOO_FEW" in answer(items, "How certain").answer
    assert not any("alpha 0" in item.answer for item in items)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_its_words(law):
    assert FORMS[law]
    assert PRINCIPLES[law]
    assert len(PARAMETERS[law].split(", ")) == LAWS[law].parameters


def test_markdown_has_a_task_for_every_item():
    items = checklist(fit_law(*runs(), "pure"), x_name="params")
    text = to_markdown(items)
    assert text.count("- [x] ") == sum(item.filled for item in items)
    assert text.count("- [ ] ") == sum(not item.filled for item in items)
    assert text.count("### ") == 4
    assert all(f"{item.question} {item.answer}" in text for item in items)
