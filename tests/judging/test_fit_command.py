"""`harness fit` on tables of anybody's runs: true laws come back, refusals carry no number,
mistakes name lines.
"""

import gzip
import itertools
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, json_of
from shared_data import shared

import harness

EXPONENTS = {"kan": 4.0, "mlp": 0.5}
SIZES = (10, 30, 100, 300, 1000, 3000, 10000)


_fit, _json = partial(invoke, "fit"), partial(json_of, "fit")


def _table(path: Path, unit: float = 1.0, failed: dict[int, int] | None = None) -> Path:
    """Two arms with known exponents over 3 decades, 3 seeds; `failed` is size -> how many of kan's
    runs diverged.
    """
    generator = np.random.default_rng(5)
    lines = ["arch,width,params,seed,status,rmse"]
    for arm, alpha in EXPONENTS.items():
        for size in SIZES:
            for seed in range(3):
                lost = arm == "kan" and seed < (failed or {}).get(size, 0)
                loss = unit * size**-alpha * np.exp(0.05 * generator.standard_normal())
                end = "diverged,nan" if lost else f"ok,{loss!r}"
                lines.append(f"{arm},{size // 10},{size},{seed},{end}")
    text = "\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


ASKED = ("--x", "params", "--y", "rmse", "--by", "arch")
NAMED = (*ASKED, "--config", "width", "--seed", "seed", "--status", "status")


@pytest.fixture
def table(tmp_path) -> Path:
    return _table(tmp_path / "runs.csv")


def _alphas(found: dict, law: str = "pure", part: str = "fits") -> dict[str, float]:
    return {one["series"]: one[part][law]["alpha"] for one in found["laws"]}


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e6])
def test_known_exponents_come_back_at_any_magnitude(tmp_path, unit):
    found = _alphas(_json(_table(tmp_path / "runs.csv.gz", unit), *NAMED))
    assert found == pytest.approx(EXPONENTS, abs=0.03)


def test_the_table_shows_what_the_json_says(table):
    done, found = _fit(table, *NAMED), _alphas(_json(table, *NAMED))
    for arm, alpha in found.items():
        line = next(line for line in done.stdout.splitlines() if f" {arm} " in line and "│" in line)
        assert f"{alpha:.2f} [" in line
        assert " 7 │   21 │" in line


def test_failed_runs_are_counted_and_a_lossy_size_is_a_caution(tmp_path):
    path = _table(tmp_path / "runs.csv", failed={3000: 1, 10000: 2})

    done, found = _fit(path, *NAMED), _json(path, *NAMED)

    assert "status: 39 ok, 3 diverged (failed)" in done.stdout
    told = (
        "FAILED, kan, both laws: runs that failed and are in no law: 1 of 3 at size 3000, 2 "
        "of 3 at size 1e+04"
    )
    assert told in " ".join(done.stdout.split())
    assert "CENSORED, kan" in done.stdout
    assert [one["runs_failed"] for one in found["laws"]] == [3, 0]
    assert _alphas(found) == pytest.approx(EXPONENTS, abs=0.05)


def test_a_window_shows_the_exponent_with_and_without(table):
    window = ("--min-x", 30, "--max-x", 3000)
    found, done = _json(table, *NAMED, *window), _fit(table, *NAMED, *window)
    assert [one["runs_outside_window"] for one in found["laws"]] == [6, 6]
    assert _alphas(found, part="without_window") == _alphas(_json(table, *NAMED))
    assert _alphas(found) != _alphas(found, part="without_window")
    assert "without the window" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("command", "form", "told"),
    [
        (("fit",), ("--frontier", "0.025"), ["above 2.5% of the runs: 97.5% intervals"]),
        (("compare", "kan", "mlp"), ("--budget", "100"), ["for its loss; 97.5% intervals"]),
    ],
)
def test_levels_and_shares_are_told_as_they_were_asked(table, monkeypatch, command, form, told):
    monkeypatch.setenv("COLUMNS", "300")
    name, *arms = command
    shown = " ".join(invoke(name, table, *arms, *ASKED, "--level", "0.975", *form).stdout.split())
    assert [words for words in told if words not in shown] == []


def test_several_sizes_are_fitted_side_by_side(table):
    found = _json(table, *NAMED, "--x", "width")
    assert [one["axis"] for one in found["laws"]] == ["params", "params", "width", "width"]
    alphas = [one["fits"]["pure"]["alpha"] for one in found["laws"]]
    np.testing.assert_allclose(alphas[:2], alphas[2:], rtol=1e-8)


def test_a_refused_law_has_no_number_anywhere(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("n,loss\n" + "".join(f"{10**i},{0.3**i}\n" for i in range(4)))
    asked = (path, "--x", "n", "--y", "loss", "--law", "floor")

    found, done = _json(*asked), _fit(*asked)

    fit = found["laws"][0]["fits"]["floor"]
    assert fit["refusals"][0]["code"] == "TOO_FEW"
    assert all(fit[name] is None for name in ("alpha", "alpha_interval", "floor", "sigma"))
    assert done.exit_code == 0
    assert "TOO_FEW" in done.stdout
    assert "[" not in done.stdout


def test_out_writes_fits_and_figures(tmp_path):
    path = _table(tmp_path / "runs.csv", failed=dict.fromkeys(SIZES, 3))

    found = _json(path, *NAMED, "--out", tmp_path / "out")

    assert json.loads((tmp_path / "out" / "fits.json").read_text()) == found
    figures = (f"{name}.{kind}" for name in ("residuals", "scaling") for kind in ("pdf", "png"))
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "checklist.md",
        "fits.json",
        *figures,
    }


def test_diagnostics_are_in_the_json_and_on_request_in_the_terminal(table):
    (kan, _) = _json(table, *NAMED)["laws"]
    seen, other = kan["checks"]["diagnostics"], kan["checks"]["cross_check"]

    assert len(seen["drop_one"]) == len(seen["leverage"]) == len(SIZES)
    assert sum(seen["leverage"]) == pytest.approx(2)
    assert max(abs(alpha - 4) for alpha in seen["drop_one"]) < 0.05
    assert other["pairs"]["low"] < 4.02
    assert other["pairs"]["high"] > 3.98
    assert "leverage" in _fit(table, *NAMED, "--diagnostics").stdout
    assert "leverage" not in _fit(table, *NAMED).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--x", "params"), "--y: name the column of losses (arch, width, params"),
        (("--y", "rmse"), "for example: harness fit"),
        ((), "--x and --y: name"),
        (
            ("--x", "parms", "--y", "rmse"),
            "--x 'parms' is no column of the file; did you mean 'params'?",
        ),
        ((*ASKED, "--config", "width"), "line 3: rmse = "),
        ((*ASKED, "--law", "flor"), "--law 'flor' is not known; did you mean 'floor'?"),
        ((*ASKED, "--min-x", "9", "--max-x", "3"), "--min-x 9 is not below the largest size, 3"),
        ((*ASKED, "--x", "width", "--max-x", "3"), "fit params and width one at a time"),
        ((*ASKED, "--same", "seed"), "kan: seed has 3 values (line 2: seed = 0 in 7 rows"),
        ((*ASKED, "--where", "arch=kam"), "leaves no row; did you mean 'kan'?"),
        (("--x", "params", "--y", "arch"), "line 2: arch = 'kan', line 3"),
        (("--x", "params", "--y", "seed"), "line 2: seed = 0, line 5: seed = 0"),
        (
            (*ASKED, "--law", "auto", "--law", "pure"),
            "--law auto chooses between laws by itself; leave out pure",
        ),
        (
            (*ASKED, "--and", "width", "--isoflop", "width"),
            "--and and --isoflop are forms of their own",
        ),
        (
            (*ASKED, "--frontier", "0.1", "--diagnostics"),
            "--diagnostics are of a law of each series",
        ),
        (
            (*ASKED, "--frontier", "0.1", "--hold-out", "1", "--law", "pure"),
            "--frontier does not go with --law and --hold",
        ),
        (
            (*ASKED, "--x", "width", "--frontier", "0.1"),
            "--frontier takes one column of sizes (--x), and params",
        ),
        (
            (*ASKED, "--objective", "hubber"),
            "objective='hubber' is not known; allowed: auto, least_squares",
        ),
    ],
)
def test_a_mistake_is_answered_with_what_is_allowed(table, arguments, message):
    done = _fit(table, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_python_refuses_what_the_command_refuses(table):
    for more, message in (
        (
            {"isoflop": "width", "law": "pure", "max_x": 9.0},
            "`isoflop` does not go with `law` and `max_x`",
        ),
        ({"and_": "width", "frontier": 0.1}, "`and` and `frontier` are forms of their own"),
        ({"law": "sigmoid", "until": "minimum"}, "`law` sigmoid does not go with `until`"),
    ):
        with pytest.raises(harness.HarnessError, match=message):
            harness.fit(table, "params", "rmse", "arch", **more)


def test_failed_runs_that_are_not_marked_are_an_error_that_says_how(tmp_path):
    done = _fit(_table(tmp_path / "runs.csv", failed={10: 1, 100: 2}), *ASKED)
    assert done.exit_code == 2
    assert "line 2: rmse = nan, line 8: rmse = nan, line 9: rmse = nan" in done.stderr
    assert "--status" in done.stderr


def test_an_experiment_takes_no_option_of_tables(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment.yaml").write_text("question: which?\n")
    options = ("--by arch", "--config width", "--status end", "--y rmse --x params")
    for name, option in itertools.product(("experiment.yaml", "experiment"), options):
        done = _fit(tmp_path / name, *option.split())

        assert done.exit_code == 2
        assert (
            f"{option.split()[0]} is for tables of runs, and {tmp_path / name} is none"
            in done.stderr
        )


def test_language_models_of_several_sizes_go_through_the_same_door():
    """Losses of 2 to 3 by number of experts: ten arms in order, the dense models' slope as others
    found it.
    """
    path = shared("scaling_data", "routing", "final_S-Base.csv")
    asked = (
        "--x",
        "total_parameter_count",
        "--y",
        "loss_validation",
        "--by",
        "num_experts",
        "--law",
        "pure",
    )
    found = _alphas(_json(path, *asked))
    assert list(found) == [f"num_experts={2**i}" for i in range(10)]
    assert found["num_experts=1"] == pytest.approx(0.0785, abs=0.001)


@pytest.mark.nightly
def test_six_dozen_curves_are_fitted_at_once():
    """The vision curves: 72 arms, none refused, and the floor predicts the largest sizes better
    than the pure law.
    """
    path = shared("scaling_data", "colpret", "revisiting_vision.csv")
    fits = harness.fit(
        path, "Seen Examples", "Loss", ("Task", "Model"), law=("pure", "floor"), hold_out=3
    ).answer.laws

    predictions = [[one.held_out[law].prediction for law in ("pure", "floor")] for one in fits]
    errors = np.array([[each.rmsle for each in pair if each] for pair in predictions])
    assert errors.shape == (72, 2)
    assert errors[:, 1].mean() < errors[:, 0].mean()
