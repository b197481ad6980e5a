"""Ladders of modules that this project does not train: counts are those of closed forms, and no
larger size fits.
"""

import csv

import pytest
from commands import json_of, refused, said
from planning.foreign_modules import CONTEXT, INPUTS, OUTPUTS, TOKENS, linear, thicker
from ruamel.yaml import YAML

import harness
from harness.count.foreign import factory_at
from harness.planning.ladder import LadderSetting, make_ladder, write_ladder


def counts(name, **sizes):
    return factory_at(f"planning.foreign_modules:{name}").counts(sizes)


def ladder(name, *at, like=None, **setting):
    like = like and f"planning.foreign_modules:{like}"
    return make_ladder(LadderSetting(f"planning.foreign_modules:{name}", at, like, **setting))


@pytest.mark.parametrize("name", ["linear", "convolved"])
def test_a_stack_of_linear_maps_counts_its_closed_form(name):
    """Forward 2 a weight, 1 a relu; backward 4 a weight, 2 in the first layer, 1 a relu, and a bias
    where linear.
    """
    for width in (1, 4, 33):
        first, second = INPUTS * width, width * OUTPUTS
        biases = width + OUTPUTS
        forward = 2 * (first + second) + width + (biases if name == "convolved" else 0)
        assert counts(name, width=width) == {
            "params": first + second + biases,
            "flops_forward": forward,
            "flops_train": forward + 2 * first + 4 * second + biases + width,
        }


def test_a_transformer_counts_its_closed_form():
    for d, layers in ((8, 1), (16, 3)):
        norm, matrices, biases = 2 * d, 12 * d * d, 9 * d
        block_forward = (
            2 * 8 * d + 2 * matrices + 2 * d + 4 * CONTEXT * d + 6 * CONTEXT + 14 * 4 * d + 2 * d
        )
        block_backward = (
            2 * 13 * d
            + 4 * matrices
            + biases
            + 8 * CONTEXT * d
            + 4 * CONTEXT
            + 2 * d
            + 20 * 4 * d
            + 2 * d
        )
        forward = d + layers * block_forward + 8 * d + 2 * d * TOKENS
        backward = 2 * d + layers * block_backward + 13 * d + 4 * d * TOKENS + TOKENS
        assert counts("transformer", width=d, layers=layers) == {
            "params": (2 * TOKENS + CONTEXT) * d
            + TOKENS
            + layers * (matrices + biases + 2 * norm)
            + norm,
            "flops_forward": forward,
            "flops_train": forward + backward,
        }


def test_shared_parameters_count_once_and_frozen_ones_not():
    assert counts("tied", width=10)["params"] == INPUTS * 10 + 10 + 100


def test_a_price_of_ones_own_is_for_each_number_that_comes_out():
    without = counts("linear", width=4)["flops_forward"] - 4 - 2 * 4 * OUTPUTS
    assert (
        counts("priced", width=4)["flops_forward"] == without + 2 * (3 * 2) + 2 * 7
    )  # topk gives places, too


@pytest.mark.parametrize("axis", ["params", "flops_forward", "flops_train"])
@pytest.mark.parametrize("step", [1, 8])
def test_a_solved_size_is_the_largest_within_its_budget(axis, step):
    budgets = (300, 1000, 12_345, 1_000_000)
    rungs = ladder(
        "linear", *map(str, budgets), axis=axis, solve="width", multiple_of=step, tol=0.9
    ).rungs
    widths = [rung.sizes["width"] for rung in rungs]
    assert widths == sorted(widths)
    for width, budget in zip(widths, budgets, strict=True):
        assert width % step == 0
        assert (
            counts("linear", width=width)[axis]
            <= budget
            < counts("linear", width=width + step)[axis]
        )


def test_a_factory_beside_its_baseline():
    """Equal factories are equal by all counts; a thicker one is thinner, and no rung has more than
    the baseline.
    """
    at = ("width=10", "width=100", "width=1000")
    same = ladder("linear", *at, like="linear", solve="width").rungs
    assert all(rung.residuals == dict.fromkeys(rung.counts, 0) for rung in same)
    assert {rung.arm for rung in same} == {"planning.foreign_modules:linear"}
    rungs = ladder("thicker", *at, like="linear", solve="width", axis="flops_train", tol=0.3).rungs
    assert [rung.arm for rung in rungs] == ["linear", "thicker"] * 3
    for baseline, other in zip(rungs[::2], rungs[1::2], strict=True):
        assert other.sizes["width"] < baseline.sizes["width"]
        assert other.asked == baseline.asked == baseline.counts["flops_train"]
        for name, count in other.counts.items():
            assert other.residuals[name] == pytest.approx(count / baseline.counts[name] - 1)
        assert -0.3 <= other.residuals["flops_train"] <= 0


def test_other_sizes_of_the_baseline_are_kept():
    (rung,) = ladder("thicker", "width=9,extra=4").rungs
    (baseline, solved) = ladder("thicker", "width=9,extra=4", like="thicker", solve="extra").rungs
    assert rung.sizes == baseline.sizes == solved.sizes == {"width": 9, "extra": 4}


def test_a_budget_may_have_sizes_beside_it():
    (rung,) = ladder("deep", "1e4,depth=3", solve="width").rungs
    assert rung.sizes["depth"] == 3
    assert 9e3 < rung.counts["params"] <= 1e4


def test_rungs_too_few_for_a_law_say_how_many_it_needs():
    """Six rungs of one run carry a law, nine one with a floor, five either with four seeds each;
    one is no ladder.
    """
    (caution,) = ladder("linear", *(f"width={width}" for width in range(1, 5))).cautions
    assert caution.code == "FEW_SIZES"
    assert (
        "4 rungs: with a run each, a law is quoted from 6 rungs, and one with a floor from 9"
        in caution.reason
    )
    for rungs in (1, 9):
        assert ladder("linear", *(f"width={width}" for width in range(1, 1 + rungs))).cautions == ()


def test_how_long_a_rung_trains():
    """Tokens go by the parameters of the baseline, for both; or each spends the same FLOPs."""
    at = ("width=100", "width=1000")
    planned = ladder("thicker", *at, like="linear", solve="width", tokens_per_param=20)
    for number, rung in enumerate(planned.rungs):
        baseline = planned.rungs[number - number % 2]
        assert abs(rung.steps * planned.batch - 20 * baseline.counts["params"]) <= planned.batch / 2
        assert rung.flops_run == rung.steps * planned.batch * rung.counts["flops_train"]
    for rung in ladder("thicker", *at, like="linear", solve="width", train_flops=1e9).rungs:
        assert rung.flops_run == pytest.approx(1e9, rel=0.01)


@pytest.fixture
def results(tmp_path):
    """What comes back: the ladder's own columns, and losses of two seeds a rung."""
    at = [f"width={width}" for width in (10, 20, 40, 80, 160, 320)]
    planned = ladder("thicker", *at, like="linear", solve="width", tol=0.3, tokens_per_param=20)
    table, document = write_ladder(planned, tmp_path / "rungs.csv")
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    listed = YAML(typ="safe", pure=True).load(document)
    for row, one in zip(rows, listed, strict=True):
        sizes = one.pop("sizes")
        assert row == {name: str(value) for name, value in {**one, **sizes}.items()}
    path = tmp_path / "results.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "seed", "loss"])
        writer.writeheader()
        for row in rows:
            better = 0.5 if row["arm"] == "thicker" else 1
            loss = 0.1 + better * float(row["params"]) ** -0.5
            writer.writerows(
                {**row, "seed": seed, "loss": loss * (1 + seed / 100)} for seed in (0, 1)
            )
    return path


def test_python_plans_what_the_command_writes(tmp_path):
    """Of the functions themselves, or of their names."""
    at, factory = ("width=10", "width=40"), "planning.foreign_modules:thicker"
    words = (
        "--solve",
        "width",
        "--tol",
        "0.3",
        *(f"--at={place}" for place in at),
        "--out",
        tmp_path / "said.csv",
    )
    json_of("match", factory, "--like", "planning.foreign_modules:linear", *words)
    for module, baseline in ((factory, "planning.foreign_modules:linear"), (thicker, linear)):
        rungs = harness.match(module, at, like=baseline, solve="width", tol=0.3)
        rungs.write(tmp_path / "written.csv")
        for kind in ("csv", "yaml"):
            assert (tmp_path / f"written.{kind}").read_text() == (
                tmp_path / f"said.{kind}"
            ).read_text()
        assert rungs.table["width"].tolist() == [rung.sizes["width"] for rung in rungs.ladder.rungs]
        assert "FEW_SIZES" in str(rungs)


def test_results_of_a_ladder_need_no_more_than_their_losses(results):
    """They are read as if every column had been named; a side that is named replaces all."""
    named = ("--by", "arm", "--config", "rung", "--seed", "seed")
    sizes = ("--x", "params", "--x", "flops_train")
    asked = ("fit", results, "--y", "loss")
    assert json_of(*asked, "--law", "pure") == json_of(*asked, "--law", "pure", *sizes, *named)
    fitted = harness.fit(results, y="loss", law="pure")
    assert [(law.axis, law.series) for law in fitted.answer.laws] == [
        (axis, arm) for axis in ("params", "flops_train") for arm in ("linear", "thicker")
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "picked",
            (
                "foreign_modules:picked(width=4): no cost is known of aten.topk.default, "
                "aten.erfinv.default; say"
            ),
        ),
        ("picked", "such as picked.prices = {'topk': 1}"),
        ("asking", "cannot be traced: RuntimeError: aten._local_scalar_dense.default: "),
        (
            "masked",
            (
                "foreign_modules:masked(width=4) cannot be traced: RuntimeError: "
                "aten.index.Tensor: "
                "how many it picks"
            ),
        ),
        (
            "deep",
            (
                "(width=4): missing a required argument: 'depth'; it is deep(width, depth); "
                "`solve` "
                "names the size"
            ),
        ),
        (
            "misfitting",
            (
                "foreign_modules:misfitting(width=4) cannot be traced: RuntimeError: "
                "aten.addmm.default: "
            ),
        ),
        (
            "heads",
            "foreign_modules:heads(width=4) failed: ValueError: 8 heads must divide the width",
        ),
        ("untrained", "no parameter requires a gradient"),
        (
            "silent",
            "(width=4): its outputs have no gradient, so there is no backward pass to count",
        ),
        ("listed", "foreign_modules:listed(width=4) gives list; return a torch.nn.Module"),
        ("bare", "foreign_modules:bare has no example(); write bare.example = a function"),
        ("failing", "foreign_modules:failing.example() failed: RuntimeError"),
        ("empty", "foreign_modules:empty.example() gives no batch"),
        ("liner", "no function has the name 'liner'; did you mean 'linear'?"),
    ],
)
def test_a_factory_that_cannot_be_counted_is_refused_in_a_sentence(name, words):
    message = refused(ladder, name, "width=4")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"at": ("100",)}, "`solve` is missing"),
        ({"at": ("width=4",), "like": "linear"}, "`solve` is missing"),
        ({"at": ("width=4x",)}, "`at` 'width=4x': write sizes as width=64,layers=2"),
        ({"at": ("-3",)}, "`at` '-3': write"),
        (
            {"at": ("10",), "solve": "width"},
            "width=1 has 8 (-20%), width=2 has 14 (+40%); raise `tol`",
        ),
        ({"at": ("7",), "solve": "width"}, "width=1 has 8 (+14%); ask for more"),
        ({"at": ("1e12",), "solve": "width"}, "width=1048576 has 6,291,458 (-100%); ask for less"),
        (
            {"at": ("100",), "solve": "widht"},
            "linear(widht=1): got an unexpected keyword argument 'widht'; it is linear(width)",
        ),
        (
            {"at": ("100",), "solve": "width", "name": "divided"},
            "if width must be a multiple of heads, say so: `multiple_of`",
        ),
        (
            {"at": ("1000",), "solve": "width", "name": "fixed"},
            "it is 44 whatever the width; solve for another size",
        ),
        (
            {"at": ("20",), "solve": "width", "name": "fixed"},
            "it is 44 whatever the width; solve for another size",
        ),
        ({"at": ("width=4",), "axis": "flops"}, "`axis` 'flops', of a factory: did you mean"),
        ({"at": ("width=4",), "like": "transformer", "solve": "width"}, "let both be of one kind"),
        (
            {"at": ("width=4",), "tokens_per_param": 20, "train_flops": 1e9},
            "each says how long a rung trains",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_sentence(asked, words):
    at, name = asked.pop("at"), asked.pop("name", "linear")
    assert words in refused(ladder, name, *at, **asked)


def test_a_size_that_is_called_as_a_column_is_refused(tmp_path):
    planned = ladder("linear", "width=4")
    renamed = planned._replace(rungs=[planned.rungs[0]._replace(sizes={"rung": 4})])
    assert "rung is a size of yours and a column of the table" in refused(
        write_ladder, renamed, tmp_path / "rungs.csv"
    )


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "give --arm, or a FACTORY"),
        (["planning.foreign_modules:linear", "--arm", "mlp depth=2"], "and not both"),
        (["planning.foreign_modules:linear", "--inputs", "3"], "--inputs goes with --arm"),
        (["--arm", "mlp depth=2", "--solve", "width"], "--solve goes with a FACTORY"),
        (["--arm", "mlp depth=2", "--at", "200"], "--at 100 and 200: of --arm give one number"),
        (
            ["--arm", "mlp depth=2", "--axis", "params", "--axis=flops_train"],
            "--axis is there twice, as params and flops",
        ),
    ],
)
def test_the_command_has_two_uses(words, answer):
    assert answer in said("match", "--at", 100, *words, exit_code=2)
