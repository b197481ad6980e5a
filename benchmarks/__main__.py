"""The command line of the benchmarks."""

import importlib
import os
from pathlib import Path

import click
import torch

from benchmarks import figure, report
from harness.show.console import console
from harness.train.fused import kernels

BEFORE_AND_TODAY = ("engines", "operations", "first_start")
OTHERS = (
    "evaluation",
    "memory",
    "lbfgs",
    "blocks",
    "time_to_rmse",
    "throughput",
    "profile",
    "errors",
    "limits",
    "floors",
)
COMPARISONS = (*BEFORE_AND_TODAY, *OTHERS)
FIGURE = "figure"


@click.command(
    epilog="Example, two tables in a minute and a half:  python -m benchmarks evaluation lbfgs",
    help=f"""Our engines against other people's, side by side; without NAMES all of them, in three
    quarters of an hour.

    NAMES: {", ".join((*COMPARISONS, FIGURE))}.
    The last two only read what the others have written. The first three also measure the code of
    an earlier commit, in turns with today's: --before names a checkout of it, made by git worktree
    add --detach FOLDER COMMIT. Everything runs in one thread; begin when the machine has nothing
    else to do. pykan's long jobs are measured apart and once: python -m benchmarks.pykan_jobs; and
    what sweeps cost beside their training on a SLURM: python -m benchmarks.sweeps.""",
)
@click.argument("names", nargs=-1, type=click.Choice((*COMPARISONS, FIGURE)), metavar="[NAMES]...")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"A checkout of an earlier commit, for {', '.join(BEFORE_AND_TODAY)}.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=report.FOLDER,
    show_default=True,
    help="For results.",
)
def main(names: tuple[str, ...], before: Path | None, folder: Path) -> None:
    """Run comparisons in the order in which they are listed."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    console.print(f"kernels ready in {kernels.ready():.1f} s")
    for name in (one for one in COMPARISONS if one in (names or COMPARISONS)):
        load_before = os.getloadavg()[0]
        module = importlib.import_module(f"benchmarks.{name}")
        found = (
            module.compare(folder, before) if name in BEFORE_AND_TODAY else module.compare(folder)
        )
        console.print(report.rich_table(found), *found.notes, sep="\n")
        paths = report.write(found, folder, load_before)
        console.print(f"written: {', '.join(map(str, paths))}\n")
    if FIGURE in (names or (FIGURE,)):
        console.print(f"written: {', '.join(map(str, figure.draw(folder)))}")


if __name__ == "__main__":
    main()
