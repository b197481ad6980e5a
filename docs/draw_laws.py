"""Draws the figures of fitting.md, of a simulated table: `python docs/draw_laws.py`.

The true law is that of the page, y = 1.8 + 480 N^-0.35 + 2100 D^-0.37 with noise of half a per
cent.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import harness
from harness.show.figures.theme import lay_out

FIGURES = Path(__file__).parent / "figures"


def main() -> None:
    """Draw a prediction, best sizes and the next runs."""
    rng = np.random.default_rng(0)
    budgets = np.repeat(np.geomspace(6e18, 6e20, 5), 7)
    n = 0.1 * np.sqrt(budgets) * np.tile(np.geomspace(0.2, 5, 7), 5)
    d = budgets / (6 * n)
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(0.005 * rng.standard_normal(n.size))
    table = pd.DataFrame({"N": n, "D": d, "C": budgets, "loss": loss})
    drawn = {
        "prediction": harness.fit(table, "N", "loss", and_="D", predict=["C=1e22"]),
        "isoflop": harness.fit(table, "N", "loss", isoflop="C"),
        "design": harness.design(table, "N", "loss", and_="D", question="exponent", budget=2e21),
    }
    for name, answer in drawn.items():
        figure = answer.figure()
        assert figure is not None
        lay_out(figure)
        figure.savefig(FIGURES / f"{name}.png")
        print(answer, "", sep="\n")


if __name__ == "__main__":
    main()
