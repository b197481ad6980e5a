"""Experiment files: what is asked, as frozen data with an identity. Other rooms import the nouns
from here.
"""

from harness.families import KanShape, MlpShape, ModuleShape, Network, SplinedShape
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt, Optimiser
from harness.spec.arm import Arm
from harness.spec.counts import (
    END_TOLERANCE,
    all_axes,
    axis_short,
    axis_words,
    count_names,
    default_count,
)
from harness.spec.decide import Decide, Takes, units
from harness.spec.experiment import Experiment
from harness.spec.manifest import (
    Cell,
    Manifest,
    PlannedRun,
    freeze,
    manifest_path,
    read_manifest,
    side_label,
)
from harness.spec.read import (
    FULL,
    experiment_schema,
    parse_experiment,
    read_experiment,
    scales_of,
    variants,
)
from harness.spec.recipe import (
    BUILT_IN_RECIPES,
    PDE_BLOCK,
    CapTooSmall,
    GridExtension,
    GridUpdates,
    Recipe,
    Restarts,
    Sparsity,
    Stage,
    at_a_time,
    knot_update_points,
    least_evaluations,
    parts,
    samples_per_evaluation,
    schedule_evaluations,
    stages,
)
from harness.spec.run import (
    Device,
    Dtype,
    Engine,
    RunSpec,
    canonical_json,
    content_hash,
    run_id,
    sealed,
    unsealed,
)
from harness.spec.task import DataFile, RunTask, Task, TextFile
