"""The plan, frozen: every cell that was asked for, every run that answers it, and which runs train
together.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, NotRequired

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import unwritable, whole_file
from harness.base.frozen import Frozen, left_out_at, problem_of
from harness.families import Network
from harness.families.space import Space
from harness.spec.experiment import Experiment, Window
from harness.spec.run import RunSpec, unsealed, write_sealed

# 2: without fields that files no longer have (`tune`, a cap a size).
MANIFEST_SCHEMA = 2


class Cell(Frozen):
    """One size of one arm on one task: what was asked, what was solved, or why it cannot be."""

    index: Annotated[int, "number of the cell"]
    task: Annotated[str, "the task"]
    arm: Annotated[str, "the arm"]
    series: Annotated[str, "the curve that the cell is a point of"]
    asked: Annotated[float | None, "the size asked for, on the matched axis"]
    achieved: Annotated[float | None, "the size met"]
    residual: Annotated[float | None, "achieved / asked − 1"]
    network: Annotated[
        Network | None, dict[str, Any] | None, "family, shape and sizes; null if infeasible"
    ]
    counts: Annotated[
        dict[str, int],
        (
            "by axis: of the network and a sample (`params.*`, `flops_forward.*`), of a run as "
            "planned (`flops_train.*`)"
        ),
    ]
    infeasible: Annotated[str | None, "why no network meets the size"]
    window: Annotated[Window | None, "the sizes that laws are fitted to, if the file says it"]
    frontier: Annotated[
        str | None, "the series of the best sizes, where sizes are crossed with budgets"
    ] = None
    hold_out: Annotated[int, "how many of the series' largest sizes are set aside"] = 0

    @property
    def in_window(self) -> bool:
        """Whether it lies between the ends that the window declares; where the data end it, they
        decide later.
        """
        if self.window is None or not self.counts:
            return self.window is None
        return (
            (self.window.min or 0) <= self.counts[self.window.axis] <= (self.window.max or math.inf)
        )


Moments = dict[str, tuple[int | None, ...]]  # by count and budget


class PlannedRun(Frozen):
    """A run of a cell."""

    run_id: Annotated[str, "id of the run"]
    cell: Annotated[int, "its cell"]
    trial: Annotated[int, "which of the settings that a search tries there, 0 without one"]
    run: Annotated[
        RunSpec,
        dict[str, Any],
        "all that decides its numbers: task, network, recipe, seed, dtype, engine",
    ]
    moments: Annotated[
        Moments,
        NotRequired,
        (
            "with budgets: by count, after how many evaluations it has spent each; null: not "
            "read there"
        ),
    ] = left_out_at({})


class Formula(Frozen):
    """What a task's target is, in words, as it was when the plan was made."""

    formula: Annotated[str, "its formula"]
    source: Annotated[str, "where it is from"]
    pool: Annotated[
        int | None,
        NotRequired,
        (
            "of data, rows that each seed draws its training rows from; 0 where all seeds test "
            "on the "
            "same rows"
        ),
    ] = left_out_at(None)


class Manifest(Frozen):
    """The frozen plan: the denominator of every later statement. With `search:` it is the plan of
    the search.
    """

    manifest_schema: Annotated[int, "version of the plan's own file, `manifest.json`"] = (
        MANIFEST_SCHEMA
    )
    name: Annotated[str, "name of the results folder"]
    experiment: Annotated[
        Experiment, dict[str, Any], "the file with all defaults ([experiments.md](experiments.md))"
    ]
    experiment_hash: Annotated[str, "SHA-256 of it, 64 hexadecimal digits"]
    cells: Annotated[tuple[Cell, ...], "one a size, arm and task"]
    runs: Annotated[tuple[PlannedRun, ...], "one a cell, seed and trial"]
    packs: Annotated[
        tuple[tuple[str, ...], ...], "ids of runs that train together, the costliest pack first"
    ]
    formulas: Annotated[dict[str, Formula], "by task"]
    earlier_plans: Annotated[tuple[str, ...], "files of plans that this one replaced"] = ()
    spaces: Annotated[
        dict[str, Space], dict[str, dict[str, Any]], NotRequired, "of a search, by arm: what varies"
    ] = left_out_at({})
    timed_on: Annotated[
        tuple[str, ...],
        NotRequired,
        "with a cap in seconds, the machines by which evaluations were chosen, once and for all",
    ] = left_out_at(())

    def run_ids(self) -> list[str]:
        """Each run once, in plan order (cells of two series may share runs)."""
        return list(dict.fromkeys(planned.run_id for planned in self.runs))

    def packs_of(self, runs: Collection[str]) -> list[tuple[str, ...]]:
        """Its packs, reduced to these runs; those without any are left out."""
        packs = (tuple(filter(runs.__contains__, pack)) for pack in self.packs)
        return [pack for pack in packs if pack]

    @property
    def tasks(self) -> dict[str, tuple[str, int]]:
        """The target and the inputs of each task that has runs, by its label."""
        return {
            self.cells[run.cell].task: (run.run.task.target, run.run.task.inputs)
            for run in self.runs
        }

    def overlap(self, task: str) -> float:
        """How much replicates of a task share: test rows over all rows that training may have; 0 of
        fresh points.

        It is 0 too where all test on the same rows: then nothing is said of others. Plans of before
        do not know how many rows training may have, and take those that it has.
        """
        run = next(
            planned.run.task for planned in self.runs if self.cells[planned.cell].task == task
        )
        pool = self.formulas[task].pool
        if pool is None and run.fingerprint.startswith("data "):
            pool = run.train_points
        return run.test_points / pool if pool else 0.0


def manifest_path(folder: Path) -> Path:
    """Where the plan of a results folder lives."""
    return folder / "manifest.json"


def read_manifest(folder: Path) -> Manifest:
    """The plan frozen in `folder`; a HarnessError if there is none or it is damaged."""
    path = manifest_path(folder)
    try:
        return Manifest.model_validate_json(json.dumps(plain_plan(path)), strict=True)
    except FileNotFoundError:
        raise HarnessError(
            f"{path}: no plan yet; make one with `harness plan FILE` or `harness run FILE`"
        ) from None
    except (ValueError, OSError) as error:
        mend = "`harness plan FILE --replan` makes it anew and keeps this one beside it"
        problem = f"{path} cannot be read ({problem_of(error)}); {mend}"
        raise HarnessError(f"{problem}. Records stay, and are found again", INCOMPLETE) from None


def plain_plan(path: Path) -> dict[str, Any]:
    """A plan as plain data, read in a tenth of the time of a Manifest; a ValueError or OSError if
    it cannot be read.
    """
    data = unsealed(path.read_text(encoding="utf-8"))
    if data.get("manifest_schema") != MANIFEST_SCHEMA:
        raise ValueError(
            f"a plan of schema {data.get('manifest_schema')}; this version reads {MANIFEST_SCHEMA}"
        )
    return data


def freeze(manifest: Manifest, folder: Path, replan: bool = False) -> Manifest:
    """Write the plan into `folder` if none is there, or `replan` says so; return the plan that then
    stands.

    A HarnessError if another plan stands there. A replaced plan is kept beside the new one, which
    names it.
    """
    path = manifest_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_sealed(path, manifest, indent=1)
            return manifest
        try:
            frozen = read_manifest(folder)
        except HarnessError:
            if not replan:
                raise
            return _replace(path, manifest, (), "damaged")
        changed = _differences(frozen, manifest)
        if not changed:
            return frozen
        if not replan:
            problem = f"{path} holds another plan (it differs in: {', '.join(changed)})"
            move = (
                "`replan` freezes the new one and keeps the old one beside it; records are "
                "kept in any case"
            )
            raise HarnessError(f"{problem}; {move}")
        return _replace(path, manifest, frozen.earlier_plans, f"differed in {', '.join(changed)}")
    except OSError as error:
        raise unwritable(error, folder) from None


def check_unchanged(frozen: Manifest, experiment: Experiment, file: Path) -> None:
    """A HarnessError if the file no longer says what was planned."""
    changed = _changed_fields(frozen.experiment, experiment)
    if changed:
        problem = f"{file} is not what was planned (it differs in: {', '.join(changed)})"
        move = (
            f"`harness plan {file} --replan` freezes it as it is now, or give the results "
            "folder instead of the file"
        )
        raise HarnessError(f"{problem}; {move}")


def _changed_fields(before: Experiment, after: Experiment) -> list[str]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [
        name for name in old | new if old.get(name) != new.get(name)
    ]  # some are left out at their default


def _differences(old: Manifest, new: Manifest) -> list[str]:
    """What differs between two plans: fields of the file, or of one file the data and the code that
    are others now.
    """
    changed = _changed_fields(old.experiment, new.experiment)
    if (
        changed
        or old.timed_on
        or old.model_copy(update={"earlier_plans": ()}) == _counted_as(old, new)
    ):
        return changed
    before, after = _fingerprints(old), _fingerprints(new)
    changed = [
        f"the data or code of {target}" for target in after if after[target] != before.get(target)
    ]
    return changed or ["how this version expands it, or code of your own, or the name of a column"]


def _fingerprints(plan: Manifest) -> dict[str, set[str]]:
    """Those of each target that is learnt."""
    fingerprints: dict[str, set[str]] = {}
    for task in (planned.run.task for planned in plan.runs):
        fingerprints.setdefault(task.target, set()).add(task.fingerprint)
    return fingerprints


def _counted_as(old: Manifest, new: Manifest) -> Manifest:
    """The new plan as the old one counted and packed it, as what a plan means hangs on neither.

    It is without the counts and rows that the old one was made before, and its runs train in the
    old one's company.
    """
    old_counts = set[str]().union(*(cell.counts for cell in old.cells))
    cells = []
    for cell in new.cells:
        counts = {name: value for name, value in cell.counts.items() if name in old_counts}
        cells.append(cell.model_copy(update={"counts": counts}))
    same_runs = sorted(itertools.chain(*new.packs)) == sorted(itertools.chain(*old.packs))
    formulas = {
        label: formula.model_copy(update={"pool": old.formulas[label].pool})
        if label in old.formulas
        else formula
        for label, formula in new.formulas.items()
    }
    packs = old.packs if same_runs else new.packs
    return new.model_copy(update={"cells": tuple(cells), "packs": packs, "formulas": formulas})


def _replace(path: Path, manifest: Manifest, earlier: tuple[str, ...], why: str) -> Manifest:
    """Keep the plan at `path` under a second name, then put the new one in its place: there is one
    at every moment.
    """
    old = (
        path.read_bytes()
    )  # read first: who replaces it meanwhile keeps the same under the same name
    names = (path.with_name(f"manifest.{number}.json") for number in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    with whole_file(kept) as temporary:
        temporary.write_bytes(old)
    manifest = manifest.model_copy(
        update={"earlier_plans": (*earlier, f"{kept.name} (replaced; {why})")}
    )
    write_sealed(path, manifest, indent=1)
    return manifest
