"""Odd arguments by chance of the commands that read a table: the answer is an answer, or errors and
exit code 2.
"""

import secrets
from pathlib import Path
from random import Random

import pytest
from broken_tables import TEXT
from click.testing import CliRunner

from harness.base.errors import USAGE
from harness.cli import main

GRID = "arch,N,D,y\n" + "".join(
    f"{arch},{n:.6g},{n * ratio:.6g},{1.5 + k * (400 / n**0.34 + 410 / (n * ratio) ** 0.28):.6g}\n"
    for arch, k in (("kan", 1.0), ("mlp", 1.2))
    for n in (1e6, 3e6, 1e7, 3e7)
    for ratio in (5, 10, 20, 40)
)
NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "0.5",
    "1e-300",
    "1e300",
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "x",
    "7",
    "1e9",
    "1e-9",
    "99",
    "100",
    "٣",
]
COLUMNS = "params rmse seed status arch none N D y 0".split()  # noqa: SIM905
PLACES = (
    "C=1e9",
    "N=1e7,D=1e8",
    "N=1e300,D=1e300",
    "C=1e300",
    "C=1e-300",
    "N=1",
    "=",
    "x=1",
    ",",
    "1e9",
    "1e-300",
    "",
)
OPTIONS = {
    **dict.fromkeys(
        ("--ceiling", "--level", "--min-x", "--max-x", "--hold-out", "--within"), NUMBERS
    ),
    **dict.fromkeys(
        ("--by", "--config", "--seed", "--status", "--same", "--sd", "--group", "--compute"),
        COLUMNS,
    ),
    "--objective": ("auto", "huber", "least_squares", *(f"huber_log(delta={n})" for n in NUMBERS)),
    "--law": ("auto", "pure", "floor", "shifted", "sigmoid", "x"),
    "--where": ("arch=kan", "arch=", "=", "seed=0", "none=1", "arch"),
}
OF_COMMANDS = {
    "fit": {
        "--predict": PLACES,
        "--floor": NUMBERS,
        "--until": ("minimum", "x"),
        "--chance": NUMBERS,
    },
    "compare": {
        "--at": NUMBERS,
        "--budget": NUMBERS,
        "--floor": (*NUMBERS, "free", "shared"),
        "--bins": NUMBERS,
    },
    "design": {"--at": PLACES, "--runs": NUMBERS},
}
OF_MATCH = {
    "--axis": ("params", "flops", "x", ""), "--at": NUMBERS, "--tol": NUMBERS, "--inputs": NUMBERS,
    "--outputs": NUMBERS, "--depth": NUMBERS, "--grid": NUMBERS, "--solve": ("width", "grid", "x"),
}  # fmt: skip


def _chosen(random: Random, options: dict) -> list[str]:
    names = random.sample(sorted(options), random.choice((0, 1, 1, 2, 3)))
    return [word for name in names for word in (name, random.choice(options[name]))]


def _command(random: Random) -> list[str]:
    name = random.choice(("fit", "fit", "compare", "design", "match"))
    if name == "match":
        return [
            "match",
            *random.sample(("kan", "mlp", "spline_mlp", "x"), 2),
            *_chosen(random, OF_MATCH),
        ]
    grid = random.random() < 0.4
    words = [
        name,
        "grid.csv" if grid else "runs.csv",
        *(["kan", "mlp"] if name == "compare" else []),
    ]
    words += ["--x", "N", "--y", "y"] if grid else ["--x", "params", "--y", "rmse"]
    words += ["--and", "D"] if grid and random.random() < 0.7 else []
    words += ["--by", "arch"] if random.random() < 0.8 else []
    if name == "design":
        question = random.choice(("exponent", "optimum", "prediction", "multiplier", "x"))
        words += ["--question", question, "--budget", random.choice((*NUMBERS, "1e16", "1000"))]
    return [*words, *_chosen(random, OPTIONS | OF_COMMANDS[name])]


def _check(seed: int, number: int) -> None:
    random, wrong = Random(seed), []
    Path("runs.csv").write_text(TEXT, encoding="utf-8")
    Path("grid.csv").write_text(GRID, encoding="utf-8")
    for _ in range(number):
        words = _command(random)
        done = CliRunner().invoke(main, words)
        lines = done.output.splitlines()
        is_refused = done.exit_code == USAGE and any(
            line.lower().startswith("error: ") for line in lines
        )
        if done.exit_code != 0 and not is_refused:
            wrong.append((words, done.exit_code, done.output[-300:], repr(done.exception)))
    assert not wrong, f"seed {seed}: {wrong}"


def test_odd_arguments_are_answered_or_refused(here):
    _check(1, 60)


@pytest.mark.nightly
def test_many_odd_arguments_are_answered_or_refused(here):
    """With a fresh seed, which a failure names."""
    _check(secrets.randbits(32), 2000)
