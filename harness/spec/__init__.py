"""Experiment files: what is asked, as frozen data with an identity. Other rooms import the nouns from here."""

from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    Module,
    ModuleShape,
    Network,
    RationalKanShape,
    RbfKanShape,
    SplinedShape,
    SplineMlpShape,
)
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt, Optimiser
from harness.spec.arm import Arm
from harness.spec.counts import (
    END_TOLERANCE,
    Axis,
    all_axes,
    answer_axes,
    axis_short,
    axis_words,
    count_names,
    default_count,
)
from harness.spec.decide import Decide, Takes, takes_of, units
from harness.spec.experiment import Experiment
from harness.spec.identity import canonical_json, content_hash, run_id, run_ids, sealed, unsealed
from harness.spec.manifest import (
    BEST_OF,
    Cell,
    Formula,
    Manifest,
    PlannedRun,
    check_unchanged,
    freeze,
    manifest_path,
    read_manifest,
    side_label,
)
from harness.spec.narrow import Narrow, narrow_words, narrowed
from harness.spec.read import (
    experiment_schema,
    located,
    parse_experiment,
    read_experiment,
    read_settings,
    scales_of,
    variants,
)
from harness.spec.recipe import BUILT_IN_RECIPES, GridExtension, GridUpdates, Recipe, Restarts, Sparsity
from harness.spec.run import RunSpec
from harness.spec.setting import Setting, settings_from, settings_of, settings_options, settings_words
from harness.spec.stages import (
    PDE_BLOCK,
    CapTooSmall,
    Stage,
    at_a_time,
    check_cap,
    knot_update_points,
    least_evaluations,
    parts,
    points_at_a_time,
    samples_per_evaluation,
    schedule_evaluations,
    stages,
)
from harness.spec.task import DataFile, RunTask, Task
