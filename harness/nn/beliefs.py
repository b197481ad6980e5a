"""What a probe reads of a trained transformer's beliefs, long after training: of a network that was kept."""

import torch

from harness.base.errors import HarnessError
from harness.record import Record
from harness.record.networks import KeptNetwork
from harness.tasks import TASKS, draw
from harness.tasks.loss import LanePoints, Seen
from harness.tasks.processes import Probed, Process, probed


def probed_beliefs(record: Record, kept: KeptNetwork) -> tuple[Probed, Probed]:
    """Before the last block and after it, at the test sequences of the run; a HarnessError if nobody knows beliefs."""
    task = record.run.task
    process = TASKS.get(task.target)
    if not isinstance(process, Process):
        processes = ", ".join(name for name, named in TASKS.items() if isinstance(named, Process))
        raise HarnessError(f"{task.target}: beliefs are known of {processes} alone")
    test, flat_1P = draw(task, record.run.seed).test, torch.from_numpy(kept.parameters)[None]
    x_RNT, y_RNO = (torch.from_numpy(array)[None].to(flat_1P) for array in (test.x, test.y))
    points = LanePoints(x_RNT, y_RNO, test.loss)
    knots = [torch.from_numpy(of_layer)[None] for of_layer in kept.knots]
    return probed(process, Seen(record.run.network, flat_1P, knots, points))
