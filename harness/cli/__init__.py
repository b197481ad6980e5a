"""The `harness` command. Each command has a file in `commands/`, which is imported when that command is called.

Beside them is what several commands share.
"""

import gc

import click

from harness import __version__
from harness.cli.group import Group

# By name the first sentence of a command's help, so that the help of the group imports none of them.
COMMANDS = {
    "bench": "Time this machine, or a node of a cluster, so that plans predict seconds.",
    "cancel": "Take back runs that are on their way or would be sent off.",
    "clean": "Show what results no longer need on disk, and remove the kinds that you name.",
    "compare": "Say which of two arms is better at equal size.",
    "doctor": "Check what a cluster can do for the jobs of a profile.",
    "fit": "Fit scaling laws to an experiment, or to a table of runs.",
    "keep": "Put an experiment's records into one file, which git keeps.",
    "list": "List tasks, families, recipes, experiments, profiles, conventions or codes.",
    "logs": "Tell the story of a run.",
    "match": "Make networks equal by one count, and compare the others.",
    "merge": "Add records that were trained elsewhere, and check each one.",
    "new": "Write an experiment file that runs in minutes and can answer.",
    "open": "Print where the report of an experiment is, and open it in a browser.",
    "plan": "Solve every size, freeze the plan, and show what it costs.",
    "plot": "Draw test loss against size, with fitted laws.",
    "power": "Say how many replicates the rules of an experiment need.",
    "reference": "Show what the KAN paper published, and what is wrong in it.",
    "replay": "Run an experiment of the KAN paper again.",
    "report": "Write report.html, one self-contained page.",
    "retry": "Send off again runs that `harness submit` leaves alone.",
    "run": "Train what is missing, and say which side is better.",
    "schema": "Print the JSON Schema of experiment files, for your editor.",
    "status": "Show where every planned run is, and why.",
    "submit": "Send missing runs to a cluster, as jobs of equal length.",
    "validate": "Check an experiment file and say what it would run.",
    "verdicts": "Judge the rules (`decide:`) of experiments by their runs.",
}


@click.group(
    cls=Group, short_helps=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Compare KANs and MLPs fairly: equal sizes, equal training effort, intervals.

    \b
    An experiment file says what to compare. This trains it and says which side is better:
        harness run experiments/quickstart.yaml

    Exit codes: 0 ok; 2 wrong input; 3 incomplete or damaged results (interrupted training too); 130 ended by Ctrl-C.
    """
    gc.set_threshold(100_000)  # plans are objects by the million, no garbage: searching them took longer than reading
