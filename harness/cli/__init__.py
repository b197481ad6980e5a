"""The `harness` command. Each command has a file in `commands/`, which is imported when that
command is called.

Beside them is what several commands share. What loads pandas, matplotlib or scipy.stats is imported
in the function that uses it: a help text need not wait for it.
"""

import gc

import click

from harness import __version__
from harness.cli.group import Group


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Compare KANs and MLPs fairly: equal sizes, equal training effort, intervals.

    \b
    An experiment file says what to compare. This trains it and says which side is better:
        harness run experiments/quickstart.yaml

    Exit codes: 0 ok; 2 wrong input; 3 incomplete or damaged results (interrupted training too); 130
    ended by Ctrl-C.
    """
    gc.set_threshold(
        100_000
    )  # plans are objects by the million, no garbage: searching them took longer than reading
