"""`harness match`."""

from typing import Annotated, NamedTuple

import click

from harness.cli.options import COUNT, POSITIVE, json_option
from harness.cli.showing import answer
from harness.optimisers import OPTIMISERS
from harness.planning.match import MatchedSaid, MatchSetting, axis_named, match_arms
from harness.show.tables.plans import match_table


class MatchAnswer(NamedTuple):
    """Networks that one count makes equal."""

    arms: Annotated[list[MatchedSaid], "in the order given"]


@click.command(epilog="Example: harness match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --inputs 2 --at 1000")
@click.option(
    "--arm", "arms", multiple=True, required=True, help="A family and its fields without one size. Repeat it."
)
@click.option("--at", "budget", type=POSITIVE, required=True, help="The size to reach, on --axis.")
@click.option(
    "--axis",
    default="params",
    show_default=True,
    help="What is made equal: params, flops_forward, flops_train, or axis.convention.",
)
@click.option("--inputs", type=COUNT, default=2, show_default=True, help="How many inputs the networks have.")
@click.option("--outputs", type=COUNT, default=1, show_default=True, help="How many outputs the networks have.")
@click.option("--samples", type=COUNT, default=1000, show_default=True, help="Training points of an evaluation.")
@click.option(
    "--evaluations", type=COUNT, help="Evaluations of a run. If all sizes are given and this is not, it is solved for."
)
@click.option(
    "--optimizer",
    type=click.Choice(list(OPTIMISERS)),
    default="lbfgs",
    show_default=True,
    help="The optimiser whose work flops_train includes.",
)
@json_option(lambda: {"match": MatchAnswer})
def match(
    arms: tuple[str, ...],
    budget: float,
    axis: str,
    inputs: int,
    outputs: int,
    samples: int,
    evaluations: int | None,
    optimizer: str,
    as_json: bool,
) -> None:
    """Make networks equal by one count, and compare the others.

    `harness list families` has the fields of each family. Leave out the one size to solve for.
    """
    setting = MatchSetting(
        axis_named(axis), budget, inputs, outputs, samples, evaluations, OPTIMISERS[optimizer](name=optimizer)
    )
    matched = match_arms(arms, setting)
    answer(MatchAnswer(matched), as_json, [match_table(matched, setting)])
