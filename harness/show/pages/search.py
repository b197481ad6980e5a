"""The search that a report's runs confirm: what varied in each arm, the tuning curves, and the winners."""

import math
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from harness.base.formats import human, number
from harness.comparison.tuning_curve import DRAWS
from harness.families.space import Space
from harness.judging.headline import main_sides
from harness.judging.pairs import pairs_axis
from harness.judging.searched import Searched, effort_ratios
from harness.planning.spaces import differences, varied_words
from harness.show.figures.series import experiment_styles
from harness.show.figures.tuning import tuning_figure
from harness.show.pages.page import svg
from harness.show.tables.table import Styled, Table, number_columns, table_of, text_columns
from harness.spec import Arm, Manifest, axis_words, default_count


@dataclass(frozen=True)
class SearchPart:
    """What a report says of a search.

    `work` is what it took, in words; `halving` has a sentence an arm where trials were dropped on the way; `flattered`
    says how much better winners looked than they are, in the median and at most; `others` counts the winners by other
    ways of searching. `draws` says how far the ratio of both sides hangs on which settings a search happens to try.
    """

    work: str
    spaces: Table
    halving: tuple[str, ...]
    figure: Markup | None
    winners: Table
    others: int
    flattered: tuple[float, float] | None
    draws: Table | None


def search_part(manifest: Manifest, searched: Searched, loss: str) -> SearchPart:
    """Of the search that `manifest` confirms."""
    assert manifest.confirms is not None
    arms = manifest.experiment.arms
    spaces = []
    for name, space in manifest.spaces.items():
        varied = "; ".join(varied_words(*axis) for axis in space.items())
        spaces.append((name, varied, _of_standard(arms[name], space)))
    work = default_count("flops_train")
    styles = experiment_styles(manifest)
    winners = searched.winners
    declared = winners[winners["searched"] == "as declared"]
    flattered = declared["flattered"].dropna()
    return SearchPart(
        work=f"{human(manifest.confirms.flops_search[work])} {axis_words(work)}",
        spaces=table_of("", text_columns("arm", "what varies", "beside its family's standard space"), spaces),
        halving=_halving_sentences(searched.halving),
        figure=svg(
            lambda: tuning_figure(searched.curves, styles, searched.confirmed, pairs_axis(manifest), loss),
            "search-figure",
            "Expected test loss of the trial that validation picks among k, for each side",
        ),
        winners=_winners_table(declared, loss),
        others=len(winners) - len(declared),
        flattered=(flattered.median(), flattered.max()) if len(flattered) else None,
        draws=_draws_table(manifest, searched),
    )


def _draws_table(manifest: Manifest, searched: Searched) -> Table | None:
    """A row a task and size: the ratio of both sides over all draws of half of the trials; None if there is none."""
    sides = main_sides(manifest)
    if sides is None:
        return None
    first, second = (side.label for side in sides)
    rows = []
    for (task, asked), one in effort_ratios(searched, first, second).items():
        if math.isnan(one.first_ahead[-1]):
            continue
        ends = f"{number(one.draws_low[-1])} to {number(one.draws_high[-1])}"
        size = "" if asked is None else human(asked)
        rows.append((task, size, str(one.k[-1]), ends, f"{100 * one.first_ahead[-1]:.0f} %"))
    columns = (
        *text_columns("task"),
        *number_columns("size", "trials a side", f"{second} / {first}, {DRAWS:.0%} of draws", f"{first} better"),
    )
    return table_of("", columns, rows) if rows else None


def _of_standard(arm: Arm, space: Space) -> str:
    """How the space of an arm differs from its family's; what the arm cannot vary is no difference."""
    if isinstance(arm.space, dict):
        return differences(space, arm.architecture.standard_space)
    return "it is the standard one"


def _halving_sentences(halving: pd.DataFrame | None) -> tuple[str, ...]:
    if halving is None:
        return ()
    return tuple(
        f"Of {row['arm']}, {row['dropped']} trials at {row['sizes']} sizes were dropped, {row['checked']} of these "
        f"were checked, and at {row['overlooked']} sizes one of the checked beat all that were kept."
        for row in halving.to_dict("records")
    )


def _winners_table(winners: pd.DataFrame, loss: str) -> Table:
    rows = []
    for row in winners.to_dict("records"):
        stop = " (a stop)" if row["stopped_early"] else ""
        trained = f"{row['optimizer']}, {row['evaluations']} evaluations{stop}, gain {number(row['gain'])}"
        budget = human(row["budget"])
        losses = (number(row["search_test_loss"]), number(row["confirmed_test_loss"]))
        rows.append((row["task"], row["side"], Styled(row["axis"], "code"), budget, row["network"], trained, *losses))
    columns = (
        *text_columns("task", "side", "won on"),
        *number_columns("budget"),
        *text_columns("network", "trained by"),
        *number_columns(f"{loss}, search's seeds", "fresh seeds"),
    )
    return table_of("", columns, rows)
