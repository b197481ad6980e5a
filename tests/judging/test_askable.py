"""What may be said of a table before a fit: a score and its ceiling, known errors and floors,
tries, compute.
"""

import numpy as np
import pandas as pd
import pytest
from commands import invoke, json_of, said

import harness
from harness.comparison import expected_best
from harness.judging.scaling import best_of_tries

SIZES = np.geomspace(1e6, 1e9, 8)
OF_ARMS = ("--x", "params", "--by", "arm", "--y")
ASKED, OF_ERRORS = (*OF_ARMS, "accuracy"), (*OF_ARMS, "error")


@pytest.fixture
def evals(tmp_path):
    """Two arms whose accuracy is a sigmoid of the loss, and whose error falls to 0.1 as a power of
    size.
    """
    rng = np.random.default_rng(1)
    rows = []
    for arm, needs in (("A", 1.0), ("B", 2.0)):
        for size in SIZES:
            loss = 1.8 + 40 * (size / needs) ** -0.25
            score = 0.25 + 0.7 / (1 + np.exp(6 * (loss - 2.3))) + 0.002 * rng.standard_normal()
            error = (0.1 + 20 * (size / needs) ** -0.3) * np.exp(0.01 * rng.standard_normal())
            row = {
                "arm": arm,
                "params": size,
                "loss": loss,
                "score": score,
                "accuracy": 1 - error,
                "error": error,
            }
            rows.append({**row, "sd": 0.01 * error, "score_sd": 0.002})
    path = tmp_path / "evals.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def _numbers(found: dict) -> list:
    fits = [one["fits"]["floor"] for one in found["laws"]]
    return [fit[name] for fit in fits for name in ("alpha", "alpha_interval", "floor")]


def test_laws_of_a_rising_score_are_those_of_what_is_missing_to_its_ceiling(evals):
    """With --ceiling 1 the laws of an accuracy are those of the error, and say so; without it they
    say how.
    """
    of_scores, of_errors = (
        json_of("fit", evals, *ASKED, "--ceiling", 1),
        json_of("fit", evals, *OF_ERRORS),
    )
    for score, error in zip(_numbers(of_scores), _numbers(of_errors), strict=True):
        assert score == pytest.approx(error, rel=1e-9)
    assert of_scores["laws"][0]["metric"] == "1 - accuracy"
    without = invoke("fit", evals, *ASKED, "--law", "pure")
    assert "Of a score, say the most that it can be (--ceiling)" in without.stdout
    assert "1 - accuracy = " in invoke("fit", evals, *ASKED, "--ceiling", 1).stdout
    compared = invoke("compare", evals, "A", "B", *ASKED, "--ceiling", 1)
    assert "1 - accuracy" in compared.stdout


def test_a_sigmoid_is_asked_alike_on_the_command_line_and_in_python(evals):
    asked = (
        "--x",
        "loss",
        "--y",
        "score",
        "--by",
        "arm",
        "--law",
        "sigmoid",
        "--chance",
        0.25,
        "--sd",
        "score_sd",
    )
    found = json_of("fit", evals, *asked, "--predict", 2.0)
    same = harness.fit(
        evals, "loss", "score", "arm", law="sigmoid", chance=0.25, sd="score_sd", predict=2.0
    )
    for arm, law in found["results"].items():
        levels = law["parameters"]
        assert levels["ceiling"]["value"] == pytest.approx(0.95, abs=0.03)
        assert levels["midpoint"]["value"] == same.answer.results[arm].parameters["midpoint"].value
    truth = 0.25 + 0.7 / (1 + np.exp(6 * (2.0 - 2.3)))
    assert same.predictions["loss"].to_numpy() == pytest.approx([truth, truth], abs=0.015)
    assert list(same.table["series"]) == ["A", "B"]
    assert "chance + (ceiling - chance)" in same.sentences[0]
    table = invoke("fit", evals, *asked).stdout
    assert "0.25 (given)" in table
    in_a_list = harness.fit(
        evals, "loss", "score", "arm", law=["sigmoid"], chance=0.25, sd="score_sd", predict=2.0
    )
    assert in_a_list.sentences == same.sentences


@pytest.mark.parametrize("refused", ["A", "B"])
def test_a_sigmoid_that_is_refused_has_an_empty_row_beside_one_that_is_not(evals, refused):
    table = pd.read_csv(evals)
    few = table[(table["arm"] != refused) | (table["params"] < 1e7)]
    fitted = harness.fit(few, "loss", "score", "arm", law="sigmoid")
    other = "B" if refused == "A" else "A"
    assert f"{refused}: TOO_FEW" in fitted.sentences
    assert any(f"{other}: points 8" in line and "midpoint" in line for line in fitted.sentences)


def test_a_design_is_of_laws_of_losses_not_of_a_sigmoid(evals):
    asked = ("--question", "exponent", "--budget", 1e10, "--law", "sigmoid")
    assert "--law sigmoid stands alone" in said("design", evals, *ASKED, *asked, exit_code=2)


def test_known_errors_and_a_known_floor_reach_every_law(evals):
    asked = (*OF_ERRORS, "--predict", 1e10)
    plain = json_of("fit", evals, *asked, "--law", "floor")
    known = json_of("fit", evals, *asked, "--floor", 0.1, "--sd", "sd")
    for before, after in zip(plain["laws"], known["laws"], strict=True):
        (law,) = after["fits"].values()
        assert (law["floor"], law["floor_interval"]) == (0.1, None)
        assert law["points"]["known_variance"] == pytest.approx(1e-4, rel=0.01)
        ends, wide = law["alpha_interval"], before["fits"]["floor"]["alpha_interval"]
        assert ends["low"] <= 0.3 <= ends["high"]
        assert ends["high"] - ends["low"] < 0.5 * (wide["high"] - wide["low"])
    for law in known["ahead"]:
        assert law["predictions"][0]["low"] > 0.1
    assert "0.1 (given)" in invoke("fit", evals, *asked, "--floor", 0.1).stdout
    assert "FLOOR_ABOVE" in invoke("fit", evals, *asked, "--floor", 0.9).stdout


def test_the_best_of_equally_many_tries(tmp_path):
    """A random setting of a tuned arm costs it its exponent; the expected best of 8 does not, of 40
    or of 8.
    """
    rng = np.random.default_rng(2)
    rows = []
    for arm, tries in (("A", 40), ("B", 8)):
        for size in SIZES:
            harm = (
                0.02 * (size / SIZES[0]) ** 0.3 * rng.exponential(size=tries)
            )  # tuning matters more for large ones
            rows += [
                {"arm": arm, "params": size, "loss": size**-0.2 * np.exp(cost), "end": "ok"}
                for cost in harm
            ]
    table = pd.DataFrame(rows)
    path = tmp_path / "tuned.csv"
    table.to_csv(path, index=False)
    asked = ("--x", "params", "--y", "loss", "--by", "arm", "--law", "pure")
    alphas = [
        [one["fits"]["pure"]["alpha"] for one in json_of("fit", path, *asked, *more)["laws"]]
        for more in ((), ("--best-of", 8))
    ]
    assert max(alphas[0]) < 0.195
    assert alphas[1] == pytest.approx([0.2, 0.2], abs=0.01)
    without_law = asked[:-2]
    compared = json_of("compare", path, "A", "B", *without_law, "--best-of", 8)
    largest = compared["sizes"][0]["multiplier"]["sizes"][-1]
    assert 0.9 < largest["multiplier"]["value"] < 1.1
    refused = invoke("fit", path, *asked, "--best-of", 9)
    assert "--best-of 9: B has 8 runs at params=1e+06" in refused.stderr
    assert (
        harness.fit(table, "params", "loss", "arm", law="pure", best_of=8)
        .answer.laws[0]
        .fits["pure"]
        .alpha
        == alphas[1][0]
    )


def test_a_failed_run_is_a_try(tmp_path):
    """Of two tries of which one failed, the best of one is the other's loss; of all three it is the
    least of all.
    """
    done = pd.DataFrame(
        {
            "task": "",
            "series": "all",
            "metric": "loss",
            "size": 1.0,
            "status": ["done", "failed", "done"],
        }
    )
    runs = {"x": done.assign(test_loss=[2.0, np.nan, 8.0])}
    for k, best in ((1, 4.0), (3, 2.0)):
        (row,) = best_of_tries(runs, ["x"], k)["x"].itertuples()
        assert row.test_loss == pytest.approx(best)
    assert expected_best(np.log([1.0, 2.0, 4.0]), 2) == pytest.approx(np.log(2) / 3)


def test_compute_that_is_no_multiple_of_6nd_is_said(tmp_path):
    """Within a fit and between arms, beyond a factor of 1.2; a constant factor is no matter."""
    n, d = (
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 6))
    )
    loss = 1.8 + 480 * n**-0.35 + 2100 * d**-0.37
    rows = pd.DataFrame(
        {
            "N": n,
            "D": d,
            "loss": loss,
            "arm": "A",
            "same": 8 * n * d,
            "other": 6 * n * d * (1 + 3e6 / n),
        }
    )
    path = tmp_path / "grid.csv"
    rows.to_csv(path, index=False)
    asked = ("--x", "N", "--y", "loss", "--and", "D")
    for column, is_said in (("same", False), ("other", True)):
        cautions = json_of("fit", path, *asked, "--compute", column)["cautions"]["all"]
        assert ("NOT_6ND" in [caution["code"] for caution in cautions]) == is_said
    arms = pd.concat([rows, rows.assign(arm="B", same=1.5 * rows["same"])])
    valley = arms["loss"] + 0.02 * np.log(arms["N"] / (0.05 * np.sqrt(arms["same"]))) ** 2
    arms.assign(loss=valley).to_csv(path, index=False)
    compared = invoke("compare", path, "A", "B", *asked, "--by", "arm", "--compute", "same")
    assert "NOT_6ND" in compared.stdout, compared.stdout + compared.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--chance", 0.25), "--chance 0.25 is of the sigmoid; say it as --law"),
        (("--law", "sigmoid", "--law", "pure"), "--law sigmoid stands alone"),
        (("--law", "sigmoid", "--hold-out", 1), "--law sigmoid does not go with --hold-out"),
        (("--sd", "sd", "--best-of", 2), "--best-of does not go with --sd"),
        (("--floor", 0.1, "--law", "pure"), "--floor 0.1 is of the law"),
        (("--and", "loss", "--sd", "sd"), "--sd is of laws of one size"),
    ],
)
def test_what_does_not_go_together_is_said(evals, more, message):
    done = invoke("fit", evals, *ASKED, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
