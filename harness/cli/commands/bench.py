"""`harness bench`."""

from pathlib import Path

import click

from harness.base.errors import INTERRUPTED, HarnessError
from harness.base.files import check_writable
from harness.cli.costs import own_calibration
from harness.cli.options import EXAMPLE, FULL, results_option, scale_option
from harness.cli.plans import planned_runs
from harness.cli.stages import plan_of
from harness.dispatch.here import available_cores
from harness.measure.calibration import Calibration, Kind, calibrate, kind_of, missing, with_solo, write_calibration
from harness.measure.design import full_design
from harness.show.console import console, counted_progress
from harness.show.costs import calibration_sentence
from harness.spec import Manifest
from harness.spec.run import Dtype, Engine


@click.command(epilog=f"Example: harness bench {EXAMPLE}")
@click.argument("file", type=click.Path(path_type=Path), metavar="[FILE]", required=False)
@results_option
@scale_option
@click.option("--engine", type=click.Choice(["fused", "torch"]), help="Without FILE.  [default: fused, of float64]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Without FILE.  [default: float64]")
@click.option("--workers", type=click.IntRange(min=1), help="Processes at once, as in a sweep.  [default: one a core]")
def bench(
    file: Path | None, results: Path, scale: str, engine: Engine | None, dtype: Dtype | None, workers: int | None
) -> None:
    """Measure what an evaluation takes on this machine, in a minute; plans then predict seconds and memory.

    With FILE, measure the engines that its runs use, and also every shape of that plan alone, a quarter of a second
    each: its runs then have an axis `seconds`, what each would take by itself on this machine.
    """
    if file:
        for name, given in (("engine", engine), ("dtype", dtype)):
            if given:
                raise HarnessError(f"--{name} {given}: {file} says its {name} itself; leave one of them out")
    elif scale != FULL:
        raise HarnessError(f"--scale {scale}: of which file? Give it, or leave the scale out")
    manifest = plan_of(file, scale) if file else None
    kinds = _kinds(manifest) if manifest else [_kind(engine, dtype or "float64")]
    check_writable(results / "calibrations")
    try:
        calibrations = [_bench(kind, manifest, results, workers or available_cores()) for kind in kinds]
    except KeyboardInterrupt:
        raise HarnessError("stopped; nothing was written, and the next bench starts over", INTERRUPTED) from None
    for calibration in calibrations:
        path = write_calibration(calibration, results)
        console.print(calibration_sentence(calibration), soft_wrap=True)
        console.print(f"calibration: {path}", soft_wrap=True)


def _kind(engine: Engine | None, dtype: Dtype) -> Kind:
    if engine == "fused" and dtype != "float64":
        raise HarnessError(f"--engine fused computes in float64; with --dtype {dtype} leave it out")
    return engine or ("fused" if dtype == "float64" else "torch"), dtype


def _kinds(manifest: Manifest) -> list[Kind]:
    """What must be calibrated for the plan's runs."""
    if manifest.experiment.device != "cpu":
        raise HarnessError(f"device: {manifest.experiment.device}: only CPUs are measured; leave the file out")
    return missing({}, planned_runs(manifest).values())


def _bench(kind: Kind, manifest: Manifest | None, results: Path, workers: int) -> Calibration:
    # The only import of this room inside a function: it loads torch, and --help would take seconds too.
    from harness.measure.bench import bench_classes, bench_solo, compile_kernels

    calibration, solo = own_calibration(results, kind), []
    if kind[0] == "fused":
        compile_kernels(console.print)
    if calibration is None or manifest is None:
        with counted_progress(f"{kind[0]}: shape classes") as progress:
            rows = bench_classes(full_design(*kind), workers, progress)
        calibration = calibrate(*kind, rows)
    if manifest:
        runs = [run for run in planned_runs(manifest).values() if kind_of(run) == kind]
        with counted_progress(f"{kind[0]}: shapes alone") as progress:
            solo = bench_solo(runs, progress)
    meanwhile = own_calibration(results, kind)  # what another bench wrote, or this file had
    return with_solo(calibration, [*(meanwhile.solo if meanwhile else ()), *solo])
