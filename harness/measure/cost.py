"""What a sweep will cost on this machine, how well that was predicted, and the seconds that runs count for.

Each run's seconds are those of its own engine and dtype: `calibrations` holds what is calibrated of them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.measure.calibration import Calibrations, PredictionErrors, kind_of, missing, prediction_errors
from harness.measure.prediction import predict, run_bytes, run_seconds
from harness.planning.plan import computation, planned_flops
from harness.record import Record
from harness.spec import Manifest, RunSpec
from harness.spec.run import Device


class SweepCost(NamedTuple):
    """Predicted seconds of a sweep on some workers, and bytes of its largest pack."""

    seconds: float
    peak_bytes: int | None


def pack_predictions(manifest: Manifest, calibrations: Calibrations) -> pd.DataFrame:
    """A row a pack, the costliest first: planned evaluations (of all lanes) and FLOPs, predicted seconds and memory.

    Where the pack's engine is not calibrated, seconds and memory are missing.
    """
    specs = {planned.run_id: planned.run for planned in manifest.runs}
    rows = []
    for index, pack in enumerate(manifest.packs):
        runs = [specs[identity] for identity in pack]
        calibration = calibrations.get(kind_of(runs[0]))
        predicted = predict(calibration, runs) if calibration else None
        rows.append(
            {
                **_pack_words(index, runs),
                "evaluations": sum(run.recipe.max_evaluations for run in runs),
                "flops_train.shared_dense": sum(planned_flops(run)["flops_train.shared_dense"] for run in runs),
                "seconds": predicted.seconds if predicted else None,
                "peak_bytes": predicted.peak_bytes if predicted else None,
            }
        )
    return pd.DataFrame(rows)


def _pack_words(index: int, runs: Sequence[RunSpec]) -> dict[str, object]:
    network = runs[0].network
    return {
        "pack": index,
        "task": runs[0].task.target,
        "engine": runs[0].engine,
        "family": network.family,
        "shape": "-".join(map(str, network.shape)),
        "grid": getattr(network, "grid", None),
        "runs": len(runs),
    }


# Where nothing was measured: FLOPs a second (local_min) of a core and of a GPU on small networks, and a pack's seconds
# for samples and records. Assumptions, to plan with: on a core of 2023 the fused engine makes 5e9 to 5e10, torch 2e8 to
# 2e9 on packs of a few lanes; no GPU was measured.
ASSUMED_FLOPS_PER_SECOND = {("fused", "cpu"): 5e9, ("torch", "cpu"): 5e8, ("torch", "cuda"): 5e9}
ASSUMED_SECONDS_PER_PACK = 0.05


def pack_seconds(packs: Sequence[Sequence[RunSpec]], calibrations: Calibrations, device: Device) -> list[float]:
    """What each pack takes on one slot of a job, by calibration, or where there is none by an assumed rate.

    Packs of the same computation and size take the same, so that each is worked out once.
    """
    known: dict[tuple[str, int], float] = {}
    found = []
    for runs in packs:
        key = (computation(runs[0]), len(runs))
        if key not in known:
            calibration = calibrations.get(kind_of(runs[0]))
            flops = len(runs) * planned_flops(runs[0])["flops_train.local_min"]
            assumed = flops / ASSUMED_FLOPS_PER_SECOND[runs[0].engine, device] + ASSUMED_SECONDS_PER_PACK
            known[key] = predict(calibration, runs).seconds if calibration else assumed
        found.append(known[key])
    return found


def sweep_cost(calibrations: Calibrations, packs: Sequence[Sequence[RunSpec]], workers: int) -> SweepCost | None:
    """What training `packs` will take, None if one of their engines is not calibrated.

    Each worker takes the next pack as it comes free, the costliest first.
    """
    if missing(calibrations, (pack[0] for pack in packs)):
        return None
    predicted = [predict(calibrations[kind_of(pack[0])], pack) for pack in packs]
    free_at = np.zeros(workers)
    for one in predicted:
        free_at[free_at.argmin()] += one.seconds
    peaks = [one.peak_bytes for one in predicted if one.peak_bytes is not None]
    return SweepCost(float(free_at.max()), max(peaks, default=None))


def pack_costs(manifest: Manifest, records: Mapping[str, Record], calibrations: Calibrations) -> pd.DataFrame:
    """A row a pack that was trained as planned on the calibrated device: seconds predicted, computed, and on the clock.

    A pack whose runs were not trained together (some had records already) is left out, and so is one whose engine is
    not calibrated.
    """
    specs = {planned.run_id: planned.run for planned in manifest.runs}
    rows = []
    for index, pack in enumerate(manifest.packs):
        found = [records[identity].provenance for identity in pack]
        first = found[0]
        together = all(one.started_at == first.started_at and one.pack_seconds == first.pack_seconds for one in found)
        runs = [specs[identity] for identity in pack]
        lanes = len(pack) * runs[0].recipe.restarts.count
        calibration = calibrations.get(kind_of(runs[0]))
        if not together or calibration is None or first.pack_lanes > max(lanes, 2):
            continue
        if first.device != calibration.device:
            continue
        predicted = predict(calibration, runs)
        rows.append(
            {
                **_pack_words(index, runs),
                "predicted_seconds": predicted.seconds,
                "cpu_seconds": first.pack_cpu_seconds,
                "wall_seconds": first.pack_seconds,
                "predicted_peak_bytes": predicted.peak_bytes,
            }
        )
    return pd.DataFrame(rows)


def pack_errors(costs: pd.DataFrame) -> PredictionErrors | None:
    """How well the packs' CPU seconds were predicted; None if there are none.

    The clock also shows what else the machine did; on a machine of its own a worker's clock and CPU agree.
    """
    if costs.empty:
        return None
    return prediction_errors(costs["predicted_seconds"].tolist(), costs["cpu_seconds"].tolist())


def with_seconds(table: pd.DataFrame, specs: Mapping[str, RunSpec], calibrations: Calibrations) -> pd.DataFrame:
    """The table with the axis `seconds`, if the shapes of every run were measured alone on the calibrated machine.

    Evaluations of each stage times the median solo seconds of one, and the least squares of knots: never the wall clock
    of a pack, which depends on what else was in it. `seconds_on` names the machine. `bytes_moved` is counted likewise,
    of runs whose evaluations have known bytes. Winners of a search have seconds only if some were chosen by them.
    """
    if "won_on" in table and "seconds" not in set(table["won_on"]):  # those that won by other costs are not the best
        return table
    runs = [specs[identity] for identity in table["run_id"]]
    if missing(calibrations, runs):
        return table
    done = [
        (calibrations[kind_of(run)], run, json.loads(made))
        for run, made in zip(runs, table["evaluations_by_stage"], strict=True)
    ]
    seconds = [run_seconds(*one) for one in done]
    if None in seconds:
        return table
    used = [calibrations[kind] for kind in sorted({kind_of(run) for run in runs})]
    machines = dict.fromkeys(f"{one.host}, {one.device}, {one.measured_at[:10]}" for one in used)
    moved = [run_bytes(*one) for one in done]
    return table.assign(
        seconds=np.array(seconds, float), seconds_on="; ".join(machines), bytes_moved=np.array(moved, float)
    )
