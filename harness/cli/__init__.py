"""The `harness` command. Each command has a file in `commands/`, which is imported when that command is called.

Beside them is what several commands share.
"""

import gc

import click

from harness import __version__
from harness.cli.group import Group

# By name the first sentence of a command's help, so that the help of the group imports none of them.
COMMANDS = {
    "bench": "Measure what an evaluation takes on this machine, in half a minute; plans then predict seconds.",
    "cancel": (
        "Take back runs that are on their way or would be sent off: jobs with no others end, workers pass "
        "over the rest."
    ),
    "compare": "Compare two arms: which is better at a budget, by how much, and what equal losses cost.",
    "doctor": "Check what a cluster can and cannot do for the jobs of a profile; exit 3 if anything failed.",
    "export-wandb": (
        "Mirror the finished runs of an experiment to wandb after the fact; what is there already stays as it is."
    ),
    "fit": "Fit scaling laws to the records of an experiment, or to a table of anybody's runs.",
    "logs": (
        "Tell the story of a run (the beginning of its id will do): its attempts, and the end of its last job's output."
    ),
    "match": "Make architectures equal on one axis, and show how unequal they then are on all others.",
    "merge": "Bring records that were trained elsewhere, each one checked: a folder of records, or a results folder.",
    "plan": "Expand, match and freeze: show each cell's asked and achieved budget, and what the runs cost.",
    "plot": "Draw test loss against parameters and training FLOPs, with fitted laws, as PNG and PDF.",
    "reference": "Show what the KAN paper published, and what is wrong in it; without NAME, the tables that there are.",
    "replay": (
        "Run an experiment of the KAN paper and write a page: published points beside ours; without NAME, "
        "what there is."
    ),
    "report": "Write report.html: question, plan, figures, fits and provenance in one self-contained page.",
    "retry": (
        "Send off runs that a submission leaves alone: out of memory, quarantined, cancelled, damaged; or of one cause."
    ),
    "run": "Do everything: plan, train what is missing, fit, draw, report.",
    "schema": "Print the JSON Schema of experiment files, for completion in an editor.",
    "status": (
        "Say where every planned run is, from its record, its worker's log, SLURM and time; exit 3 while "
        "some are missing."
    ),
    "submit": "Send off the runs that have no record and are not on their way, as jobs of about equal length.",
    "validate": "Check an experiment file and say what it would run.",
    "verdicts": "Judge the rules (`decide:`) of experiments by their runs; without FILE, of all in experiments/.",
}


@click.group(
    cls=Group,
    short_helps=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """The referee between KANs and MLPs: matched grids, scaling fits, honest intervals.

    \b
    An experiment file becomes runs, runs become records, records become fits and figures:
        harness run experiments/quickstart.yaml

    Exit codes: 0 ok, 2 wrong input, 3 incomplete or damaged results (interrupted training too), 130 ended by Ctrl-C.
    """
    gc.set_threshold(100_000)  # plans are objects by the million, no garbage: searching them took longer than reading
