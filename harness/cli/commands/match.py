"""`harness match`."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import click

from harness.base.errors import HarnessError
from harness.cli.options import COUNT, PATH, POSITIVE, json_option
from harness.cli.showing import answer
from harness.cli.tables import SHARE, given
from harness.optimisers.lbfgs import Lbfgs
from harness.planning.ladder import LadderSetting, budget_or_sizes, make_ladder, write_ladder
from harness.planning.match import MatchedSaid, MatchSetting, axis_named, match_arms
from harness.show.tables.plans import ladder_table, match_table

OF_ARMS = ("inputs", "outputs", "evaluations")
SAMPLES = 1000  # training points of an evaluation; an experiment file says others
OF_FACTORIES = ("like", "solve", "multiple_of", "tol", "tokens_per_param", "train_flops")


class MatchAnswer(NamedTuple):
    """Networks that one count makes equal."""

    arms: Annotated[list[MatchedSaid], "in the order given"]


@click.command(
    epilog="Example: harness match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --inputs 2 --at 1000"
)
@click.argument("factory", required=False)
@click.option(
    "--arm", "arms", multiple=True, help="A family and its fields without one size. Repeat it."
)
@click.option(
    "--at",
    multiple=True,
    required=True,
    help=(
        "The size to reach, on --axis. FACTORY: also sizes of the baseline, as "
        "width=64,layers=2. Repeat it."
    ),
)
@click.option(
    "--axis",
    default="params",
    show_default=True,
    help="What is made equal: params, flops_forward, flops_train, or of --arm axis.convention.",
)
@click.option(
    "--inputs", type=COUNT, default=2, show_default=True, help="How many inputs the networks have."
)
@click.option(
    "--outputs",
    type=COUNT,
    default=1,
    show_default=True,
    help="How many outputs the networks have.",
)
@click.option(
    "--evaluations",
    type=COUNT,
    help=(
        "Evaluations of a run, by L-BFGS on 1,000 points each. If all sizes are given and this is "
        "not, it is solved for."
    ),
)
@click.option("--like", metavar="FACTORY", help="FACTORY: the baseline, whose count it gets.")
@click.option("--solve", metavar="NAME", help="FACTORY: its argument that is solved for.")
@click.option(
    "--multiple-of",
    type=COUNT,
    default=1,
    show_default=True,
    help="FACTORY: solve for its multiples alone.",
)
@click.option(
    "--tol",
    type=SHARE,
    default=0.1,
    show_default=True,
    help="FACTORY: the share that may be left over.",
)
@click.option(
    "--tokens-per-param",
    type=POSITIVE,
    help="FACTORY: tokens a rung, for each parameter of the baseline.",
)
@click.option("--train-flops", type=POSITIVE, help="FACTORY: training FLOPs of every run.")
@click.option(
    "--out", type=PATH, metavar="CSV", help="FACTORY: write the rungs here, and as YAML beside it."
)
@json_option
def match(
    factory: str | None, arms: tuple[str, ...], as_json: bool, out: Path | None, **asked: Any
) -> None:
    """Make networks equal by one count, and compare the others.

    `harness list families` has the fields of each family of --arm. Leave out the one size to solve
    for.

    FACTORY is package.module:name, which makes torch modules for a training loop of yours
    (docs/tutorials/ladder.md). This plans sizes that are equal to those of a baseline, and counts
    what they execute.
    """
    if bool(factory) == bool(arms):
        raise HarnessError(
            "give `arms`, or a FACTORY of your own such as my_model:build, and not both"
        )
    for option in given(OF_ARMS if factory else (*OF_FACTORIES, "out")):
        raise HarnessError(
            f"{option} goes with {'--arm' if factory else 'a FACTORY'}; leave it out"
        )
    axis, at = asked["axis"], asked["at"]
    if factory:
        ladder = make_ladder(
            LadderSetting(factory, at, axis=axis, **{name: asked[name] for name in OF_FACTORIES})
        )
        said = (f"{caution.code}: {caution.reason}" for caution in ladder.cautions)
        answer(ladder, as_json, [ladder_table(ladder), *said])
        for path in write_ladder(ladder, out) if out else ():
            click.echo(path, err=as_json)
        return
    budget, sizes = budget_or_sizes(at[0])
    if budget is None or sizes or len(at) > 1:
        raise HarnessError(f"`at` {' and '.join(at)}: of --arm give one number")
    setting = MatchSetting(
        count_name=axis_named(axis),
        budget=budget,
        samples=SAMPLES,
        optimiser=Lbfgs(name="lbfgs"),
        **{name: asked[name] for name in OF_ARMS},
    )
    matched = match_arms(arms, setting)
    answer(MatchAnswer(matched), as_json, [match_table(matched, setting)])
