"""What a probe reads of a trained transformer's beliefs, long after training: of a network that was
kept.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from harness.base.errors import HarnessError
from harness.record.networks import KeptNetwork
from harness.record.schema import Record
from harness.tasks import TASKS, draw
from harness.tasks.loss import LanePoints, Seen
from harness.tasks.processes import Probed, Process, probed


class Beliefs(NamedTuple):
    """What a probe reads before the last block and after it, and the excess cross-entropy of the
    network.
    """

    evaluations: int
    excess: float
    before: Probed
    after: Probed


def course_of_beliefs(record: Record, kept: KeptNetwork) -> Iterator[Beliefs]:
    """Of each snapshot of a run's network, or of the network alone, at the run's test sequences.

    A HarnessError if nobody knows the beliefs of its task.
    """
    task = record.run.task
    process = TASKS.get(task.target)
    if not isinstance(process, Process):
        processes = ", ".join(name for name, named in TASKS.items() if isinstance(named, Process))
        raise HarnessError(f"{task.target}: beliefs are known of {processes} alone")
    test = draw(task, record.run.seed).test
    for evaluations, parameters, of_layers in kept.course:
        flat_1P, knots = (
            torch.from_numpy(parameters)[None],
            [torch.from_numpy(layer)[None] for layer in of_layers],
        )
        x_RNT, y_RNO = (torch.from_numpy(array)[None].to(flat_1P) for array in (test.x, test.y))
        seen = Seen(record.run.network, flat_1P, knots, LanePoints(x_RNT, y_RNO, test.loss))
        yield Beliefs(evaluations, seen.loss, *probed(process, seen))
