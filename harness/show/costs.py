"""What sweeps cost and how that is known, and what else `harness plan` says, in sentences."""

from collections.abc import Sequence

from harness.base.formats import duration
from harness.measure.calibration import Calibration, Calibrations, missing
from harness.planning.points import WHOLE_RECIPE
from harness.spec.manifest import Manifest


def recipe_note(manifest: Manifest) -> str | None:
    """That arms of a search have different recipes to choose from, where one has a choice; else
    None.
    """
    arms_of: dict[tuple[str, ...], list[str]] = {}
    for name, space in manifest.spaces.items():
        choices = space.get(WHOLE_RECIPE, ())
        assert isinstance(choices, tuple)
        recipes = dict.fromkeys(
            [manifest.experiment.arms[name].recipe, *choices]
        )  # run 0 has the arm's own
        arms_of.setdefault(tuple(sorted(recipes)), []).append(name)
    if len(arms_of) < 2 or max(map(len, arms_of)) < 2:
        return None
    listed = "; ".join(
        f"{', '.join(arms)}: {', '.join(recipes)}" for recipes, arms in arms_of.items()
    )
    return (
        f"note: arms have different recipes to choose from ({listed}); `search.recipes` "
        "gives all the same choice"
    )


def beside_note(manifest: Manifest) -> str | None:
    """What the ends of schedules at smaller budgets take beside the runs; None without any."""
    runs = {planned.run_id: planned.run for planned in manifest.runs}.values()
    beside = sum(run.evaluations_beside for run in runs)
    if not beside:
        return None
    own = sum(run.recipe.max_evaluations for run in runs)
    schedules = sorted({run.recipe.optimizer.name for run in runs if run.evaluations_beside})
    ends = f"the schedules of {' and '.join(schedules)} end at every budget"
    return (
        f"note: {ends}: that takes {beside:,} evaluations beside the {own:,} of the runs themselves"
    )


def cost_words(
    seconds: float,
    core_seconds: float,
    workers: int,
    never_timed: int,
    shapes: int,
    devices: Sequence[str],
) -> str:
    """How long a sweep will take, for how many of its shapes that is only estimated, and on which
    other `devices`.
    """
    coarse = (
        f"; {never_timed} of {shapes} shapes by a rate: `harness bench FILE` times them"
        if never_timed
        else ""
    )
    elsewhere = f" on {' and '.join(devices)}" if devices else ""
    hours = f"{core_seconds / 3600:.2g} core-hours"
    return (
        f"about {duration(seconds)} on {workers} workers, {hours} (calibrated{elsewhere}{coarse})"
    )


def uncalibrated_words(manifest: Manifest, calibrations: Calibrations) -> str:
    """Why it is not known how many seconds a sweep takes, and what to do about it."""
    if manifest.experiment.device != "cpu":
        return "seconds: uncalibrated (only CPUs are measured)"
    kinds = missing(calibrations, (planned.run for planned in manifest.runs))
    commands = " and ".join(f"`{kind.bench_command}`" for kind in kinds)
    return f"seconds: uncalibrated ({commands} measure{'' if len(kinds) > 1 else 's'} this machine)"


def calibration_sentence(calibration: Calibration) -> str:
    """What was timed, and the rate of what was not."""
    shapes, rate = len(calibration.solo), calibration.evaluation_rate
    kind = f"{calibration.engine} on {calibration.device}, {calibration.dtype}, one thread"
    return (
        f"{kind}: {shapes} shapes timed alone; an evaluation of another one is taken for "
        f"{rate.seconds:.1e} s and "
        f"{1 / rate.flops_per_second:.1e} s a FLOP"
    )
