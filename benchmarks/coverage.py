"""The simulations of benchmarks/simulation.py as a kept table: what the scaling analysis must live
up to.

python -m benchmarks.coverage      # 500 replicates of every scenario in two processes:
results/fits/coverage.md
"""

import os
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.fingerprint import fingerprint
from benchmarks.simulation import AGAIN, BIAS, REPLICATES, SCENARIOS, WORKERS, judged, pool
from harness.show.console import console

FOLDER = Path("results/fits")


def page(lines: pd.DataFrame, replicates: int, seconds: float) -> report.Report:
    """The table as it is kept; shares are told as counts."""
    accepted = lines["met"].notna()
    return report.Report(
        name="coverage",
        title=(
            f"Simulated acceptance of the scaling analysis, {replicates} replicates a scenario, "
            "intervals at 95 %"
        ),
        table=lines.assign(
            ideal=lines["nominal"].map(_percent).where(lines["what"] != BIAS, "0"),
            found=[
                _found(*row)
                for row in lines[["what", "mean", "replicates"]].itertuples(index=False)
            ],
            then=[
                _found(*row)
                for row in lines[["what", "again_mean", "again_replicates"]].itertuples(index=False)
            ],
            accepted=[
                _range(*row)
                for row in lines[["what", "accepted_low", "accepted_high"]].itertuples(index=False)
            ],
            met=lines["met"].map({True: "yes", False: "NO"}).fillna(""),
            decided_by=fingerprint("benchmarks.simulation"),
        ),
        shown={
            "scenario": "scenario",
            "what": "what",
            "ideal": "nominal",
            "found": "found",
            "accepted": "accepted",
            "then": "again",
            "met": "met",
            "refused": "refused",
        },
        notes=[
            f"{int(lines['met'][accepted].astype(bool).sum())} of {int(accepted.sum())} "
            "acceptances are met. A share "
            f"of 95 % has a standard error of {100 * np.sqrt(0.95 * 0.05 / replicates):.1f} "
            "points, so that a few of "
            f"them miss by chance: these are decided by {AGAIN * replicates} new replicates, "
            "under `again`. Scores "
            "without an acceptance are for comparison.",
            "7 sizes from 1e3 over 3 decades, 5 seeds of sd .1 in ln loss and exponent 1, unless "
            "the name says "
            "otherwise; see benchmarks/simulation.py. `python -m benchmarks.coverage` took "
            f"{seconds:.0f} s in "
            f"{WORKERS} processes.",
            f"Decided by {fingerprint('benchmarks.simulation')}; "
            "where the code differs, or other libraries give other numbers, tests simulate anew.",
        ],
    )


def _found(what: str, mean: float, replicates: float) -> str:
    if np.isnan(mean):
        return ""
    return (
        f"{mean:+.4f}"
        if what == BIAS
        else f"{mean * replicates:.0f} of {replicates:.0f}, {_percent(mean)}"
    )


def _range(what: str, low: float, high: float) -> str:
    if np.isnan(low):
        return ""
    if what == BIAS:
        return f"{low:+g} to {high:+g}"
    if high == 1:
        return f"at least {_percent(low)}"
    return f"at most {_percent(high)}" if low == 0 else f"{100 * low:.3g} to {_percent(high)}"


def _percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.3g} %"


@click.command(help="Simulate every scenario, and keep the table.")
@click.option("--replicates", default=REPLICATES, show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="For results.",
)
def main(replicates: int, folder: Path) -> None:
    """Run all scenarios, each in both processes."""
    load_before, began = os.getloadavg()[0], time.perf_counter()
    tables = []
    with pool() as executor:
        for scenario in SCENARIOS:
            tables.append(judged(scenario, executor, replicates))
            console.print(
                tables[-1][["scenario", "what", "mean", "again_mean", "met"]].to_string(
                    index=False, header=False
                )
            )
    found = page(pd.concat(tables, ignore_index=True), replicates, time.perf_counter() - began)
    console.print(f"written: {', '.join(map(str, report.write(found, folder, load_before)))}")


if __name__ == "__main__":
    main()
