"""The test loss of one network over that which somebody published of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, budget_words, over_published, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the test loss of {sides_words(rule)[0]} {budget_words(rule)}{over_published(rule)}"


def find(case: Case) -> OverReplicates:
    """From the runs of the network of that size."""
    from harness.judging.networks import loss_of_size

    return loss_of_size(case)


QUANTITY = Quantity(
    name="network_loss",
    summary="the test loss of the network of that size, over the `published` one if that is given",
    read_at="a size",
    takes=Takes(sides=(1,), at="budget", needs_place=True, of_networks=True, over_published=True),
    words=words,
    find=find,
)
