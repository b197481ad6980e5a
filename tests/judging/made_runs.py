"""Tables of runs whose laws are known: what `record.load` would say of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from harness.judging.runs import ExperimentRuns
from harness.spec import Decide

SIZES = np.array([30, 60, 120, 250, 500, 1000, 2000])
# FLOPs a parameter and the exponent of size in them, by arm: the KAN computes more for each.
FLOPS = {"kan": 40.0, "mlp": 4.0}


def made_table(
    arms: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    tasks: Sequence[str] = ("t",),
    noise: float = 0.03,
    seeds: int = 5,
    sizes: Mapping[str, np.ndarray] | None = None,
    rng: np.random.Generator | None = None,
    **changes,
) -> pd.DataFrame:
    """One row a run: `arms` are test losses by trainable parameters; lognormal noise of its own for every run."""
    rng = rng or np.random.default_rng(0)
    rows = []
    for task in tasks:
        for arm, law in arms.items():
            own = SIZES if sizes is None else sizes[arm]
            for index, (size, loss) in enumerate(zip(own, law(own.astype(float)), strict=True)):
                for seed in range(seeds):
                    flops = FLOPS.get(arm.split()[0], 4.0) * size
                    rows.append(
                        {
                            "task": task,
                            "arm": arm.split()[0],
                            "series": arm,
                            "cell": f"{task}-{arm}-{index}",
                            "run_id": f"{task}-{arm}-{index}-{seed}",
                            "asked": float(size),
                            "seed": seed,
                            "trial": 0,
                            "status": "done",
                            "chosen": True,
                            "of_budget": False,
                            "in_window": True,
                            "until_minimum": False,
                            "hold_out": 0,
                            "dtype": "float64",
                            "metric": "rmse",
                            "test_loss": loss * np.exp(rng.normal(0, noise)) if noise else loss,
                            "val_loss": loss,
                            "evaluations": 100,
                            "params.trainable": float(size),
                            "flops_forward.shared_dense": flops,
                            "flops_train.shared_dense": 300 * flops,
                            "flops_train.local_min": 1200.0 * size,
                            "seconds": 1e-3 * flops,
                            "seconds_per_evaluation": 1e-5 * flops,
                        }
                    )
    return pd.DataFrame(rows).assign(**changes)


def made_runs(table: pd.DataFrame, inputs: Mapping[str, tuple[str, int]] | None = None) -> ExperimentRuns:
    """The runs as rules are judged by them; every task is of a target of its own unless `inputs` says otherwise."""
    return ExperimentRuns(table, inputs or {task: (task, 2) for task in table["task"].unique()}, "params.trainable")


def made_rule(**fields) -> Decide:
    """A rule on one task about a KAN and an MLP."""
    return Decide.model_validate({"claim": "c", "arms": ("kan", "mlp"), "at_least": 1} | fields)


def power(scale: float, alpha: float, floor: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """The law floor + scale * size^-alpha."""
    return lambda size: floor + scale * size**-alpha
