"""What a device trains when several packs share it: measured with packs that are always the same.

throughput("cuda", packs=4, seconds=10.0)      # four processes share the GPUs that are visible
"""

import tempfile
import time
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.dispatch.here import Failed, train_here
from harness.dispatch.slots import Evaluated, PackedRuns
from harness.spec import Adam, KanShape, Recipe, RunSpec, Task
from harness.spec.run import Device
from harness.tasks import resolve

LANES = 32  # the most that a pack of the torch engine has
ENDLESS = 10**6  # evaluations: none of these packs comes to its end while it is watched


def throughput(device: Device, packs: int, seconds: float) -> float:
    """Evaluations a second, of all lanes, of so many packs that share a device, each in a process of its own.

    They are counted for `seconds` from when every pack has begun to train. A HarnessError if one fails.
    """
    heard: dict[int, list[tuple[float, int]]] = {number: [] for number in range(packs)}
    began: list[float] = []

    def is_over() -> bool:
        return bool(began) and time.monotonic() - began[0] > seconds

    with tempfile.TemporaryDirectory() as records:
        made = [_pack(number) for number in heard]
        for pack, event in train_here(made, Path(records), packs, device=device, stop=is_over):
            if isinstance(event, Failed):
                raise HarnessError(f"{packs} packs at a time: {event.failure.error}", INCOMPLETE)
            if isinstance(event, Evaluated) and event.evaluations:
                now = time.monotonic()
                heard[pack[0].seed // LANES].append((now, event.evaluations))
                if not began and all(heard.values()):
                    began.append(now)
    return LANES * sum(_rate(said, began[0]) for said in heard.values())


def _pack(number: int) -> PackedRuns:
    """KANs of 2-5-1 on 1,000 points: neither the smallest nor the largest that experiments have."""
    task = resolve(Task(target="xy", inputs=2, train_points=1000, validation_points=100, test_points=100))
    recipe = Recipe(optimizer=Adam(name="adam", learning_rate=0.001), max_evaluations=ENDLESS)
    network = KanShape(shape=(2, 5, 1), grid=5)
    seeds = range(number * LANES, (number + 1) * LANES)
    return tuple(RunSpec(task=task, network=network, recipe=recipe, seed=seed) for seed in seeds)


def _rate(said: list[tuple[float, int]], began: float) -> float:
    """Evaluations a second between what was said first and last since `began`; 0 where less than two were said."""
    match [one for one in said if one[0] >= began]:
        case [(first_at, first), *_, (last_at, last)] if last_at > first_at:
            return (last - first) / (last_at - first_at)
    return 0.0
