"""How much shorter proposed runs make an interval than the largest ones of equal cost.

python -m benchmarks.planning --part design    # its rows of results/fits/planning.md
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.grids import SD, generator, isoflop_grid
from harness import design as next_runs
from harness.laws import fit_surface
from harness.laws.design import Search
from harness.laws.profile import (
    ProfiledQuantity,
    Region,
    mean_prediction,
    of_two,
    quantity_interval,
)
from harness.show.console import console

SHARED = Path(
    os.environ.get("HARNESS_SHARED", Path(__file__).parents[2] / "shared")
)  # published tables, if at hand
LEAST_GAIN = 1.5  # times the shortening by the largest runs


class Shortening(NamedTuple):
    """By which share of its length an interval gets shorter, a replicate each: by the proposed runs
    and the largest.
    """

    scenario: str
    proposed: list[float]
    largest: list[float]

    @property
    def line(self) -> tuple[str, ...]:
        """A row of the table."""
        proposed, largest = float(np.mean(self.proposed)), float(np.mean(self.largest))
        gain = proposed / largest if largest > 0 else np.inf
        both = f"{100 * proposed:.1f} % by the proposed runs, {100 * largest:.1f} % by the largest"
        found = f"{both}: {gain:.3g} times, mean of {len(self.largest)}"
        met = "yes" if gain >= LEAST_GAIN else "NO"
        return "design", self.scenario, "shortening", found, f"{LEAST_GAIN:g} times or more", met


def asked_of(known: Region, question: str, place: np.ndarray) -> ProfiledQuantity:
    """What a question is of: ln of the exponent of N, of the ratio of both (the exponent of the
    best N), of a loss.
    """
    quantities = {"exponent": ProfiledQuantity(1), "optimum": of_two(2, 1, -1.0)}
    u = np.log(place) - known.problem.logs.log_x_first
    return quantities.get(question) or mean_prediction(known.problem, u)


def length(x: np.ndarray, y: np.ndarray, question: str, place: np.ndarray) -> float:
    """The length of the interval of what is asked, by the runs x [n, 2]; nan where there is
    none.
    """
    known = fit_surface(*x.T, y, intervals=False).region
    if known is None or not np.isfinite(known.solution.p).all():
        return np.nan
    low, high = quantity_interval(known, asked_of(known, question, place))
    return high - low


def shortened(
    scenario: str, replicates: Iterator[tuple[np.ndarray, ...]], question: str, place: np.ndarray
) -> Shortening:
    """A replicate is x and y of a table, of the proposed runs, and of the largest."""
    proposed, largest = [], []
    for x, y, x_proposed, y_proposed, x_largest, y_largest in replicates:
        now = length(x, y, question, place)
        with_proposed = length(
            np.vstack([x, x_proposed]), np.append(y, y_proposed), question, place
        )
        with_largest = length(np.vstack([x, x_largest]), np.append(y, y_largest), question, place)
        if np.isfinite([now, with_proposed, with_largest]).all():
            proposed.append(1 - with_proposed / now)
            largest.append(1 - with_largest / now)
    return Shortening(f"{scenario}, {question}", proposed, largest)


def simulated(
    x: np.ndarray, truth: Sequence[float], question: str, place: np.ndarray, replicates: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Runs at x [n, 2], what is proposed for four times the largest one's compute, and the largest
    ones for that.
    """
    rng, budget = generator(f"{truth} {question}"), 4 * float(np.max(6 * x.prod(axis=1)))
    floor, a, alpha, b, beta = truth

    def measured(at: np.ndarray) -> np.ndarray:
        loss = floor + a * at[:, 0] ** -alpha + b * at[:, 1] ** -beta
        return loss * np.exp(SD * rng.standard_normal(len(at)))

    at = f"N={place[0, 0]},D={place[0, 1]}" if question == "prediction" else None
    for _ in range(replicates):
        y = measured(x)
        runs = pd.DataFrame({"N": x[:, 0], "D": x[:, 1], "loss": y})
        plans = next_runs(
            runs, x="N", and_="D", y="loss", question=question, budget=budget, at=at
        ).table
        if len(plans):
            chosen = [plans[plans["plan"] == plan] for plan in ("proposed", "largest")]
            new = [np.repeat(plan[["N", "D"]].to_numpy(), plan["runs"], axis=0) for plan in chosen]
            yield x, y, new[0], measured(new[0]), new[1], measured(new[1])


def hidden(
    table: pd.DataFrame, question: str, place: np.ndarray, replicates: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Of a published table 70 % of the runs are hidden: four are chosen among these, and the four
    largest.
    """
    rng, x, y = (
        generator(f"{len(table)} {question}"),
        table[["N", "D"]].to_numpy(float),
        table["loss"].to_numpy(float),
    )
    for _ in range(replicates):
        is_seen = rng.permutation(y.size) < 0.3 * y.size
        seen, rest = np.flatnonzero(is_seen), np.flatnonzero(~is_seen)
        known = fit_surface(*x[seen].T, y[seen], intervals=False).region
        if known is None or not np.isfinite(known.solution.p).all():
            continue
        costs = 6 * x[rest].prod(axis=1)
        largest = rest[np.argsort(-costs)[:4]]
        made = np.array([np.sum(np.all(x[seen] == at, axis=1)) for at in x[rest]])
        gradient, u = (
            asked_of(known, question, place)(known.solution.p)[1],
            np.log(x[rest]) - known.problem.logs.log_x_first,
        )
        search = Search(known, gradient, 0.95, u, costs, made, most=1)
        proposed = rest[search.choose(float(6 * x[largest].prod(axis=1).sum()), 4)]
        yield x[seen], y[seen], x[proposed], y[proposed], x[largest], y[largest]


def designs(replicates: int) -> Iterator[Shortening]:
    """How much shorter four proposed runs make an interval than the four largest of equal cost."""
    tables = {
        "5 budgets of 9 sizes, alpha .35, beta .37": (
            isoflop_grid(5),
            (1.8, 480.0, 0.35, 2100.0, 0.37),
        ),
        "4 budgets of 9 sizes, alpha .25, beta .45": (
            isoflop_grid(4, ratio=3),
            (1.6, 60.0, 0.25, 8000.0, 0.45),
        ),
    }
    grids = {
        name: (np.column_stack([grid.n, grid.d]), truth) for name, (grid, truth) in tables.items()
    }
    square = np.array(
        list(itertools.product(np.geomspace(2e7, 2e9, 6), np.geomspace(5e8, 5e10, 6)))
    )
    grids["6 sizes at 6 numbers of tokens, alpha .35, beta .37"] = (
        square,
        (1.8, 480.0, 0.35, 2100.0, 0.37),
    )
    questions = ("exponent", "optimum", "prediction")
    for (name, (x, truth)), question in itertools.product(grids.items(), questions):
        place = x.max(axis=0, keepdims=True) * 3
        yield shortened(name, simulated(x, truth, question, place, replicates), question, place)
    published = SHARED / "scaling_data" / "openathena_isoflops" / "isoflops.csv"
    if not published.exists():
        console.print(f"{published} is not here: no published table")
        return
    runs = pd.read_csv(published).rename(columns={"params": "N", "tokens": "D"})
    runs = runs[~runs["outlier"].astype(bool)].dropna(subset=["N", "D", "loss"])
    for (source, name), table in runs[runs["source"] != "llama_3"].groupby(["source", "dataset"]):
        for question in questions:
            place = table[["N", "D"]].to_numpy(float).max(axis=0, keepdims=True) * [[1, 3]]
            scenario = f"70 % of the {len(table)} runs of {name} ({source}) hidden"
            yield shortened(scenario, hidden(table, question, place, replicates), question, place)
