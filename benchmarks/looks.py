"""How often a rule that is looked at several times is wrong, and how often it finds a difference, by simulation.

python -m benchmarks.looks      # results/benchmarks/looks.md, in 12 core-minutes

Two arms have the same law, or differ, and the noise between seeds is that of kept runs. A rule is judged after 5, 8, 12
and 16 seeds, until it is decided.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pandas as pd

from benchmarks import report
from harness.base.errors import HarnessError
from harness.comparison import exponent_difference, loss_ratio
from harness.fit import Fit, fit_law
from harness.judging.curves import SideCurve, of_paired, paired
from harness.judging.found import Found, Look
from harness.judging.judge import outcome
from harness.judging.laws import cost_at, interval_of, refused
from harness.judging.looks import looks_at
from harness.show.console import console
from harness.spec import Condition

KEPT_RUNS = Path(__file__).parents[1] / "results" / "verdicts" / "per_flop_toys-short" / "runs.csv"
LOOKS, LEVEL = (5, 8, 12, 16), 0.95
SIZES = np.geomspace(50, 1500, 5)
RATIO = 1.5  # of losses at equal size, and so of sizes at equal loss, where arms differ: their exponents are 1
EXPONENTS = (1.4, 1.0)  # where arms differ in their exponents
REPLICATES, FEWER = 1000, 250  # of equal arms; of what is shown beside
MOST_WRONG = 64  # of 1,000: 50 are allowed, and two standard errors of the simulation
WORKERS, CHUNK = 2, 25
# Of runs that end near 1e-4 or 0.4: how many times larger the second is, and how often it is.
JUMP, JUMPING = 4000.0, 0.2

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def residuals() -> np.ndarray:
    """How far ln test losses of kept runs are from the median of their cell, without the runs that are that median."""
    runs = pd.read_csv(KEPT_RUNS)
    logs = np.log(runs.loc[(runs["status"] == "done") & runs["chosen"], "test_loss"])
    far = (logs - logs.groupby(runs["cell"]).transform("median")).to_numpy()
    return far[far != 0]


def noises() -> dict[str, Draw]:
    """Noise of ln test loss between seeds."""
    kept = residuals()
    spread = float(1.4826 * np.median(np.abs(kept)))

    def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(0, spread, shape)

    def bimodal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return normal(rng, shape) + np.log(JUMP) * (rng.random(shape) < JUMPING)

    return {"normal": normal, "kept runs": lambda rng, shape: rng.choice(kept, shape), "bimodal": bimodal}


class Seen(NamedTuple):
    """What a look sees: ln losses of both arms [2, sizes, seeds], and the laws of both at its level."""

    logs: np.ndarray
    level: float
    laws: tuple[Fit, Fit]


def _test_loss(seen: Seen) -> Found:
    curves = [
        SideCurve(
            name, "params.trainable", SIZES, logs, np.zeros(SIZES.size), tuple(range(logs.shape[1])), pd.DataFrame()
        )
        for name, logs in zip(("first", "second"), seen.logs, strict=True)
    ]
    return of_paired(paired(curves[0], curves[1], SIZES[-1], seen.level), SIZES[-1])


def _cost(seen: Seen) -> Found:
    return cost_at(*seen.laws, "middle")


def _exponent(seen: Seen) -> Found:
    return interval_of(exponent_difference(*seen.laws))


def _crossover(seen: Seen) -> Found:
    found = loss_ratio(*seen.laws, SIZES[-1])
    if found.refusals or found.estimate is None or found.low is None or found.high is None:
        return refused(found.refusals)
    low, high = float(found.low[0]), float(found.high[0])
    return Found(float(found.estimate[0]), low, high, holds=True if low > 1 or high < 1 else None)


class Rule(NamedTuple):
    """A rule, how its number is found, and whether its number needs laws."""

    condition: Condition
    find: Callable[[Seen], Found]
    of_laws: bool


RULES = {
    "test_loss": Rule(Condition(quantity="test_loss", arms=("a", "b"), threshold=1), _test_loss, of_laws=False),
    "cost": Rule(Condition(quantity="cost", arms=("a", "b"), threshold=1), _cost, of_laws=True),
    "exponent": Rule(Condition(quantity="exponent", arms=("a", "b"), threshold=0), _exponent, of_laws=True),
    "crossover": Rule(Condition(quantity="crossover", arms=("a", "b")), _crossover, of_laws=True),
}
# How looks are made: they share the error, or each has all of it, or there is one after all seeds.
WAYS: dict[str, tuple[Look, ...]] = {
    "shared": looks_at(LEVEL, LOOKS),
    "unadjusted": tuple(Look(seeds, LOOKS[-1], LEVEL) for seeds in LOOKS),
    "one look": looks_at(LEVEL, LOOKS[-1:]),
}


class Decided(NamedTuple):
    """What a rule ended as, and after how many seeds."""

    outcome: str
    seeds: int


def _losses(rng: np.random.Generator, draw: Draw, apart: str | None) -> np.ndarray:
    """ln test losses of both arms [2, sizes, seeds]; `apart` names the quantity in which the first is better."""
    laws = -np.log(SIZES / SIZES[0])[None, :, None] * np.ones((2, 1, 1))
    if apart == "exponent":
        laws = laws * np.array(EXPONENTS)[:, None, None]
    elif apart:
        laws = laws + np.array([0, np.log(RATIO)])[:, None, None]
    return laws + draw(rng, (2, SIZES.size, LOOKS[-1]))


def _seen(logs: np.ndarray, look: Look, with_laws: bool) -> Seen:
    logs = logs[:, :, : look.seeds]
    sizes = np.repeat(SIZES, look.seeds)
    arms = logs if with_laws else ()
    laws = tuple(fit_law(sizes, np.exp(arm).ravel(), "pure", look.level, intervals=False) for arm in arms)
    return Seen(logs, look.level, laws)


def judged(logs: np.ndarray, looks: Sequence[Look], rules: Sequence[str]) -> dict[str, Decided]:
    """Each rule, looked at until it is decided."""
    found: dict[str, Decided] = {}
    for look in looks:
        still_open = [name for name in rules if name not in found or found[name].outcome == "inconclusive"]
        if not still_open:
            break
        seen = _seen(logs, look, any(RULES[name].of_laws for name in still_open))
        for name in still_open:
            try:
                number = RULES[name].find(seen)
            except HarnessError as error:
                number = Found(refused=str(error))
            found[name] = Decided(outcome(RULES[name].condition, number), look.seeds)
    return found


def replicate(noise: str, apart: str | None, way: str, number: int) -> dict[str, Decided]:
    """What one draw of both arms makes of the rules; those of laws are left out of some that are only shown."""
    rng = np.random.default_rng([zlib.crc32(f"{noise} {apart}".encode()), number])
    logs = _losses(rng, NOISES[noise], apart)
    names = list(RULES) if apart is None else [apart]
    return judged(logs, WAYS[way], names)


def _chunk(noise: str, apart: str | None, way: str, numbers: range) -> list[dict[str, Decided]]:
    return [replicate(noise, apart, way, number) for number in numbers]


def row(executor: ProcessPoolExecutor, noise: str, replicates: int, fewer: int) -> list[dict[str, object]]:
    """A line for each rule under a noise: of equal arms how many ends were wrong, of others how many were found."""

    def ends(apart: str | None, way: str, number: int) -> list[dict[str, Decided]]:
        chunks = [range(start, min(start + CHUNK, number)) for start in range(0, number, CHUNK)]
        waiting = [executor.submit(_chunk, noise, apart, way, chunk) for chunk in chunks]
        return [one for future in waiting for one in future.result()]

    equal = {way: ends(None, way, replicates if way == "shared" else fewer) for way in ("shared", "unadjusted")}
    lines: list[dict[str, object]] = []
    for name in RULES:
        found = {way: [one[name] for one in ends(name, way, fewer)] for way in ("shared", "one look")}
        wrong = {way: [one[name] for one in all_ends] for way, all_ends in equal.items()}
        lines.append(
            {
                "noise": noise,
                "rule": name,
                "replicates": replicates,
                "wrong": sum(one.outcome in ("supported", "refuted") for one in wrong["shared"]),
                "wrong_unadjusted": _share(wrong["unadjusted"], ("supported", "refuted")),
                "power": _share(found["shared"], ("supported",)),
                "power_one_look": _share(found["one look"], ("supported",)),
                "seeds_equal": float(np.mean([one.seeds for one in wrong["shared"]])),
                "seeds_apart": float(np.mean([one.seeds for one in found["shared"]])),
            }
        )
    return lines


def _share(ends: Sequence[Decided], outcomes: Sequence[str]) -> float:
    return sum(one.outcome in outcomes for one in ends) / len(ends)


NOISES = noises()


def page(lines: pd.DataFrame, replicates: int, fewer: int, seconds: float) -> report.Report:
    """The table as it is kept."""
    percent = {name: lines[name].map(lambda share: f"{100 * share:.0f} %") for name in lines if _is_share(name)}
    told = {f"{name}_told": lines[name].map(lambda seeds: f"{seeds:.1f}") for name in ("seeds_equal", "seeds_apart")}
    return report.Report(
        name="looks",
        title=f"Rules looked at after {', '.join(map(str, LOOKS))} seeds, by simulation",
        table=lines.assign(**{f"{name}_told": own for name, own in percent.items()}, **told),
        shown={
            "noise": "noise between seeds",
            "rule": "rule about",
            "wrong": f"wrong of {replicates:,} equal",
            "wrong_unadjusted_told": "wrong if each look is at 95 %",
            "power_told": "finds the difference",
            "power_one_look_told": "with one look at 16 seeds",
            "seeds_equal_told": "seeds, equal arms",
            "seeds_apart_told": "seeds, unequal arms",
        },
        notes=[
            "Wrong: supported or refuted at any look though both arms have the same law. At most "
            f"{MOST_WRONG} of 1,000 are accepted.",
            f"Unequal arms: a ratio of {RATIO:g} in test loss at equal size, which is that of sizes at equal loss too; "
            f"of exponents {EXPONENTS[0]:g} and {EXPONENTS[1]:g}. {fewer} replicates; those of unadjusted looks too.",
            f"{SIZES.size} sizes over a factor of {SIZES[-1] / SIZES[0]:.0f}; laws without a floor. Noise of ln test "
            "loss: that of the cells of per_flop_toys-short about their medians, drawn from them; normal, with their "
            f"median deviation; bimodal: normal, and {JUMPING:.0%} of the runs end {JUMP:,.0f} times higher.",
            f"`python -m benchmarks.looks` took {seconds:.0f} s in {WORKERS} processes.",
        ],
    )


def _is_share(name: str) -> bool:
    return name.startswith(("wrong_", "power"))


@click.command(help="Simulate rules that are looked at several times, and keep the table.")
@click.option("--replicates", default=REPLICATES, show_default=True)
@click.option("--fewer", default=FEWER, show_default=True, help="Replicates of what is shown beside.")
@click.option("--folder", type=click.Path(path_type=Path), default=report.FOLDER, show_default=True)
def main(replicates: int, fewer: int, folder: Path) -> None:
    """All rules under all noises."""
    load_before, began = os.getloadavg()[0], time.perf_counter()
    lines: list[dict[str, object]] = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        for noise in NOISES:
            lines += row(executor, noise, replicates, fewer)
            console.print(pd.DataFrame(lines[-len(RULES) :]).to_string(index=False))
    found = page(pd.DataFrame(lines), replicates, fewer, time.perf_counter() - began)
    console.print(f"written: {', '.join(map(str, report.write(found, folder, load_before)))}")


if __name__ == "__main__":
    main()
