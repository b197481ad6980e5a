"""What sweeps cost and how that is known, and what else `harness plan` says, in sentences."""

from harness.base.formats import duration
from harness.measure.calibration import Calibration, Calibrations, bench_command, missing
from harness.measure.cost import SweepCost
from harness.planning.trials import WHOLE_RECIPE
from harness.spec import Manifest


def recipe_note(manifest: Manifest) -> str | None:
    """That arms of a search have different recipes to choose from, where one has a choice; else None."""
    arms_of: dict[tuple[str, ...], list[str]] = {}
    for name, space in manifest.spaces.items():
        choices = space.get(WHOLE_RECIPE, ())
        assert isinstance(choices, tuple)
        recipes = dict.fromkeys([manifest.experiment.arms[name].recipe, *choices])  # trial 0 has the arm's own
        arms_of.setdefault(tuple(sorted(recipes)), []).append(name)
    if len(arms_of) < 2 or max(map(len, arms_of)) < 2:
        return None
    told = "; ".join(f"{', '.join(arms)}: {', '.join(recipes)}" for recipes, arms in arms_of.items())
    return f"note: arms have different recipes to choose from ({told}); `search.recipes` gives all the same choice"


def cost_words(cost: SweepCost, workers: int) -> str:
    """What a sweep will take: seconds, minutes or hours, and memory."""
    memory = f", up to {cost.peak_bytes / 1e9:.2g} GB a worker" if cost.peak_bytes else ""
    return f"about {duration(cost.seconds)} on {workers} workers{memory} (calibrated)"


def uncalibrated_words(manifest: Manifest, calibrations: Calibrations) -> str:
    """Why it is not known how many seconds a sweep takes, and what to do about it."""
    if manifest.experiment.device != "cpu":
        return "seconds: uncalibrated (only CPUs are measured)"
    kinds = missing(calibrations, (planned.run for planned in manifest.runs))
    commands = " and ".join(f"`{bench_command(kind)}`" for kind in kinds)
    return f"seconds: uncalibrated ({commands} measure{'' if len(kinds) > 1 else 's'} this machine)"


def calibration_sentence(calibration: Calibration) -> str:
    """What was measured, and how well the model that was fitted to it predicts shapes it has not seen."""
    errors = calibration.evaluation_errors
    return (
        f"{calibration.engine} on {calibration.device}, {calibration.dtype}, one thread: "
        f"{len(calibration.shapes)} shape classes ({errors.within_two:.0%} within a factor of 2 when left out), "
        f"{len(calibration.solo)} shapes measured alone"
    )
