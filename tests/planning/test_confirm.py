"""From a complete search to its winners: what wins is what enumeration says, and what is planned then stays.

pytest tests/planning/test_confirm.py
"""

import itertools
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_searched import TEXT, changed, ln_mean, made_records, planned

from harness.base.errors import HarnessError
from harness.cli import stages
from harness.cli.plans import search_folder, stage_in
from harness.cli.stages import freeze_stage, winners_of
from harness.judging.pairs import pairs
from harness.judging.scaling import chosen_runs, fit_table
from harness.judging.scaling import to_json as fits_json
from harness.measure.cost import with_seconds
from harness.planning.confirm import confirmation
from harness.planning.plan import planned_flops
from harness.record import Record, publish, runs_table
from harness.spec import Cell, Manifest, RunSpec, read_manifest, run_id

ROBUST = "robust_to: {recipes: [lbfgs, levenberg], trials: [2], scrambles: [1]}\n"
PLAIN = changed((ROBUST, ""))  # the search as declared alone
COSTS = ("flops_train.shared_dense", "flops_train.local_min")
WAYS = (None, "recipe lbfgs alone", "recipe levenberg alone", "2 trials", "scramble 1")
search_plan = cache(planned)


def runs_of(plan: Manifest) -> dict[int, list[RunSpec]]:
    found: dict[int, list[RunSpec]] = {}
    for one in plan.runs:
        found.setdefault(one.cell, []).append(one.run)
    return found


def diverged(record: Record) -> Record:
    """The run as if it had failed at once."""
    return record.model_copy(update={"status": "diverged", "metrics": None, "diverged_at": 1, "evaluations": 1})


def competing(search: Manifest, arm: str, way: str | None, trials: int = 4) -> list[Cell]:
    """The trials that an arm of a side of its own chooses from, by the words of a way of searching."""
    scramble = 1 if way == "scramble 1" else 0
    trials = 2 if way == "2 trials" else trials
    recipe = way.split()[1] if way and way.startswith("recipe") else None
    of_arms: dict[str, dict[float, list[Cell]]] = {name: {} for name in search.experiment.arms}
    for cell in sorted(search.cells, key=lambda one: one.trial.number):
        if cell.trial.scramble == scramble and cell.trial.number < trials and recipe in (None, cell.trial.recipe):
            of_arms[cell.arm].setdefault(cell.asked, []).append(cell)
    found = []
    for asked, cells in of_arms[arm].items():  # of one recipe no more at a size than the other side has
        found += cells[: min(len(own.get(asked, [])) for own in of_arms.values())] if recipe else cells
    return found


def at_size(records, runs: list[RunSpec]) -> tuple[float, int | None]:
    losses = [records[run_id(run)].metrics for run in runs]
    return ln_mean([one.losses.validation if one else None for one in losses]), None


def readings(records, runs: list[RunSpec]) -> list[tuple[float, int | None, dict[str, float]]]:
    """Scores, stops and costs of a trial at a size: its end, and what its curve shows."""
    own = [records[run_id(run)] for run in runs]
    costs = {axis: np.median([one.counts[axis] for one in own]) for axis in COSTS}
    found = [(*at_size(records, runs), costs)]
    for stop in sorted({point.evaluations for one in own for point in one.curve}):
        if stop >= max(one.evaluations for one in own):
            continue
        losses = []
        for one in own:
            known = [point.validation_rmse for point in one.curve if point.evaluations <= stop]
            losses.append(None if one.diverged_at and one.diverged_at <= stop else known[-1])
        recipe = runs[0].recipe.model_copy(update={"max_evaluations": stop})
        found.append((ln_mean(losses), stop, planned_flops(runs[0].model_copy(update={"recipe": recipe}))))
    return found


# ----------------------------------------------------------------------------------------------------- who wins
def test_winners_are_those_that_enumeration_finds():
    """By sizes the least mean at each; by costs the least among all trials, sizes and stops that cost no more.

    With early stopping stops compete for sizes too.
    """
    search, stops, stops_of_sizes, empty = search_plan(TEXT), 0, 0, 0
    early = search_plan(changed(("trials: 4", "early_stopping: true\n  trials: 4")))
    runs = runs_of(search)
    assert runs_of(early) == runs
    cases = itertools.product((search, early), range(3), (0.0, 0.3, 0.8))
    for plan_of_search, seed, failing in cases:
        records = made_records(search, seed, failing)
        plan = confirmation([plan_of_search], records, None)
        confirmed, read = runs_of(plan), {index: readings(records, own) for index, own in runs.items()}
        told = {(cell.won.under, cell.won.axis, cell.asked, cell.series): cell for cell in plan.cells if cell.won}
        budgets = {axis: sorted({key[2] for key in told if key[1] == axis}) for axis in ("params.trainable", *COSTS)}
        for way, arm, axis in itertools.product(WAYS, ("kan", "mlp"), budgets):
            for budget in budgets[axis]:
                cells = competing(search, arm, way)
                if axis == "params.trainable":
                    cells = [cell for cell in cells if cell.asked == budget]
                    best = [(*one[:2], cell) for cell in cells for one in read[cell.index]]
                    best = best if plan_of_search is early else [one for one in best if one[1] is None]
                else:
                    best = [(*one[:2], cell) for cell in cells for one in read[cell.index] if one[2][axis] <= budget]
                best = [one for one in best if one[0] < math.inf]
                cell = told.get((way, axis, budget, arm))
                if not best:
                    assert cell is None
                    empty += 1
                    continue
                score, stop, winner = min(best, key=lambda one: one[0])
                assert math.log(cell.won.validation_loss) == pytest.approx(score)
                assert (cell.won.stop, cell.won.trial, cell.network) == (stop, winner.trial.number, winner.network)
                assert cell.arm == cell.series == arm
                assert cell.won.trials == len({one.trial.number for one in competing(search, arm, way)})
                used = {run_id(run) for one in cells for run in runs[one.index]}
                assert cell.won.flops_search == sum(records[one].counts["flops_train.shared_dense"] for one in used)
                # What is trained again is the winner, on the fresh seeds; a stop is a cap.
                assert [run.seed for run in confirmed[cell.index]] == [10, 11, 12]
                for run in confirmed[cell.index]:
                    as_tried = runs[winner.index][0]
                    cap = stop or as_tried.recipe.max_evaluations
                    assert run.recipe == as_tried.recipe.model_copy(update={"max_evaluations": cap})
                    assert run == as_tried.model_copy(update={"recipe": run.recipe, "seed": run.seed})
                stops += stop is not None
                stops_of_sizes += stop is not None and axis == "params.trainable"
    assert stops > 100
    assert stops_of_sizes > 10
    assert empty > 10


def test_budgets_of_costs_are_what_every_side_can_spend():
    """As many as sizes, over a factor of ten at least; the side that can spend least can spend the largest."""
    for sizes in ("[40, 90]", "[40]"):
        text = changed(("at: [40, 90]", f"at: {sizes}"), ("at: [1.0e+6, 4.0e+6]", "at: 1.0e+6"))
        search, runs = search_plan(text), runs_of(search_plan(text))
        records = made_records(search)
        plan = confirmation([search], records, None)
        for axis in COSTS:
            most = []
            for arm in ("kan", "mlp"):
                of_arm = [runs[cell.index] for cell in competing(search, arm, None)]
                most.append(max(np.median([records[run_id(run)].counts[axis] for run in own]) for own in of_arm))
            budgets = sorted({cell.asked for cell in plan.cells if cell.won and cell.won.axis == axis})
            assert len(budgets) == len(json.loads(sizes))
            assert budgets[-1] == pytest.approx(min(most), rel=5e-3)
            assert len(budgets) == 1 or budgets[-1] / budgets[0] >= 9.9


def test_seconds_are_an_axis_where_they_are_measured():
    """A stop takes its share of the seconds of the whole run."""
    search = search_plan(TEXT)
    records, runs = made_records(search), runs_of(search)
    seconds = {index: 1.0 + index for index in runs}
    plan = confirmation([search], records, seconds)

    won = [cell for cell in plan.cells if cell.won and cell.won.axis == "seconds" and not cell.won.under]
    assert {cell.series for cell in won} == {"kan", "mlp"}
    for cell in won:
        best = min(
            (score, stop, one.index)
            for one in competing(search, cell.series, None)
            for score, stop, _ in readings(records, runs[one.index])
            if seconds[one.index]
            * (stop / np.median([records[run_id(run)].evaluations for run in runs[one.index]]) if stop else 1)
            <= cell.asked
        )
        tried = search.cells[best[2]]
        assert (cell.won.stop, cell.won.trial, cell.network) == (best[1], tried.trial.number, tried.network)
        assert cell.achieved <= cell.asked


def test_runs_that_would_begin_otherwise_are_not_stopped():
    """A schedule that spans the run, phases and a penalty are read at their ends only; so is one recipe's stop."""
    of_kan = "penalised: {optimizer: {name: lbfgs}, max_evaluations: 9, sparsity: {strength: 0.1, evaluations: 3}}"
    for name, definition in (
        ("cosine", None),
        ("phased", "phased: {optimizer: {name: lbfgs}, max_evaluations: 9, phases: 2}"),
        ("penalised", of_kan),
    ):
        changes = [(ROBUST, ""), ("recipes: [lbfgs, levenberg]", f"recipes: [lbfgs, {name}]")]
        changes += [("  cosine:", f"  {definition}\n  cosine:")] if definition else []
        search = search_plan(changed(*changes))
        stopped = []
        for seed in range(6):
            plan = confirmation([search], made_records(search, seed), None)
            confirmed = runs_of(plan)
            stopped += [confirmed[cell.index][0] for cell in plan.cells if cell.won and cell.won.stop]
        assert stopped
        for run in stopped:
            assert run.recipe.optimizer.name != "adam"
            assert (run.recipe.phases, run.recipe.sparsity) == (None, None)


def test_a_side_of_two_arms_has_one_winner():
    """It is the best of both; each brings half of the trials, and the winner's cell says of which arm it is."""
    other = "  other:\n    architecture: {family: mlp, depth: 3}\n    recipe: lbfgs\n    space: {recipe.gain: [1, 2]}\n"
    sides = ("arms: [kan, mlp]", "arms: [kan, [mlp, other]]"), ("mlp: width}", '"*": width}')
    search = search_plan(changed(("match: {", other + "match: {"), *sides))
    runs, arms = runs_of(search), set()
    for seed in range(5):
        records = made_records(search, seed)
        plan = confirmation([search], records, None)
        won = [cell for cell in plan.cells if cell.won and cell.won.axis == "params.trainable"]
        for cell in [one for one in won if one.series == "the best of mlp, other" and not one.won.under]:
            rivals = [*competing(search, "mlp", None, 2), *competing(search, "other", None, 2)]
            best = min((at_size(records, runs[one.index])[0], one.index) for one in rivals if one.asked == cell.asked)
            assert (cell.arm, cell.won.trial) == (search.cells[best[1]].arm, search.cells[best[1]].trial.number)
            assert cell.won.trials == 4
            arms.add(cell.arm)
        (halved,) = {one.won.trials for one in won if one.series != "kan" and one.won.under == "2 trials"}
        assert halved == 2
    assert arms == {"mlp", "other"}


def test_of_failed_trials_none_wins_and_the_others_are_not_touched():
    """A trial that failed on half of the seeds is out; a size at which all did is a cell that says so."""
    search = search_plan(TEXT)
    records, runs = made_records(search), runs_of(search)
    whole = confirmation([search], records, None)
    failed = [cell for cell in search.cells if (cell.arm, cell.asked) == ("mlp", 90)]
    records |= {run_id(run): diverged(records[run_id(run)]) for cell in failed for run in runs[cell.index][:1]}
    plan = confirmation([search], records, None)

    empty = [cell for cell in plan.cells if cell.infeasible and cell.asked == 90]
    assert {cell.series for cell in empty} == {"mlp"}
    assert {cell.network for cell in empty} == {None}
    assert empty[0].infeasible == "params.trainable=90: every trial of the search failed here"
    assert empty[1].infeasible == "params.trainable=90, recipe lbfgs alone: every trial of the search failed here"
    assert not {run.cell for run in plan.runs} & {cell.index for cell in empty}
    of_kan = [
        [(cell.asked, cell.won) for cell in one.cells if cell.series == "kan" and cell.asked in (40, 90)]
        for one in (whole, plan)
    ]
    assert of_kan[0] == of_kan[1]
    assert [cell.index for cell in plan.cells] == list(range(len(plan.cells)))


def test_a_search_that_failed_wholly_says_so():
    """There is nothing to confirm; the sentence names sides and sizes."""
    search = search_plan(TEXT)
    records = {identity: diverged(record) for identity, record in made_records(search).items()}
    with pytest.raises(HarnessError) as caught:
        confirmation([search], records, None)

    assert caught.value.exit_code == 3
    first, second, *_ = str(caught.value).splitlines()
    assert first == "no trial of tiny.search can win:"
    assert second == "  xy kan: params.trainable=40: every trial of the search failed here"


# ---------------------------------------------------------------------------------------------------- how it is read
def test_every_axis_is_read_off_the_winners_that_were_chosen_for_it():
    """Sizes are those of the networks that won them; on a training cost a size is the budget that was won."""
    plan = confirmation([search_plan(TEXT)], made_records(search_plan(TEXT)), None)
    table, cells = runs_table(plan, made_records(plan, seed=5)), {cell.index: cell for cell in plan.cells}
    assert set(table["won_under"].dropna()) == set(WAYS) - {None}
    for axis in ("params.trainable", "flops_forward.shared_dense", "flops_train.matmul", *COSTS):
        rows, won_on = chosen_runs(table, axis), axis if axis in COSTS else "params.trainable"
        assert set(rows["cell"]) == {
            index for index, cell in cells.items() if cell.won and (cell.won.axis, cell.won.under) == (won_on, None)
        }
        assert (rows.groupby("cell")["seed"].apply(list).map(tuple) == (10, 11, 12)).all()
        of_cells = rows.groupby("cell")["size"].agg(["min", "max"])
        for index, (least, most) in zip(of_cells.index, of_cells.to_numpy(), strict=True):
            assert least == most
            if axis in COSTS:
                assert least == cells[index].asked
            elif not axis.startswith("flops_train"):
                assert least == cells[index].counts[axis]


def test_other_ways_of_searching_are_in_no_law():
    """Laws and pairs are the same whether or not the table has their rows."""
    sizes = "40, 60, 90, 140, 200"
    text = changed(("at: [40, 90]", f"at: [{sizes}]"), ("at: [1.0e+6, 4.0e+6]", "at: 1.0e+6"))
    plan = confirmation([search_plan(text)], made_records(search_plan(text)), None)
    table = runs_table(plan, made_records(plan, seed=5))
    alone = table[table["won_under"].isna()]
    assert 0 < len(alone) < len(table) / 3
    axes = ("params.trainable", COSTS[0])
    assert fits_json(fit_table(table, axes)) == fits_json(fit_table(alone, axes))
    assert pairs(table, "params.trainable").equals(pairs(alone, "params.trainable"))


# ------------------------------------------------------------------------------------------------- the plan that stays
def searched(tmp_path: Path, text: str) -> tuple[Path, Path, Manifest]:
    """A file and its results, in which all runs of the search have records."""
    file, results = tmp_path / "tiny.yaml", tmp_path / "results"
    file.write_text(text, encoding="utf-8")
    search, folder = freeze_stage(file, results, "full", replan=False)
    assert (search.is_search, folder) == (True, results / "tiny.search")
    for record in made_records(search).values():
        publish(record, results / "runs")
    return file, results, search


def test_winners_once_sealed_stay_whatever_becomes_of_the_search_s_records(tmp_path):
    """The plan is made when the search is complete, not by a dry run; records that change later do not change it."""
    file, results, search = searched(tmp_path, PLAIN)
    assert stage_in(results / "tiny") == (search, results / "tiny.search")
    dry, folder = freeze_stage(file, results, "full", replan=False, dry_run=True)
    assert (dry.is_search, folder.exists()) == (False, False)
    plan, folder = freeze_stage(file, results, "full", replan=False)
    assert folder == results / "tiny"
    assert plan == dry
    assert plan == read_manifest(folder) == winners_of([search], folder)
    assert plan.confirms.flops_search["flops_train.shared_dense"] == sum(
        record.counts["flops_train.shared_dense"] for record in made_records(search).values()
    )
    sealed = (folder / "manifest.json").read_bytes()

    for path in list((results / "runs").glob("*.json"))[:5]:
        path.unlink()
    others = made_records(search, seed=1)
    for record in others.values():
        publish(record, results / "runs")
    for replan in (False, True):
        assert freeze_stage(file, results, "full", replan) == (plan, folder)
    assert stage_in(folder) == (plan, folder)
    assert stage_in(search_folder(folder)) != (plan, folder)
    assert (folder / "manifest.json").read_bytes() == sealed
    assert not list(folder.glob("manifest.*.json"))


def test_another_search_makes_its_confirmation_stale(tmp_path):
    """Once the search is replanned it comes next; its winners replace the old plan, which is kept beside."""
    file, results, _ = searched(tmp_path, PLAIN)
    old, folder = freeze_stage(file, results, "full", replan=False)
    file.write_text(PLAIN.replace("trials: 4\n", "trials: 4\n  scramble: 5\n"), encoding="utf-8")
    with pytest.raises(HarnessError, match="--replan freezes the new one"):
        freeze_stage(file, results, "full", replan=False)
    assert stage_in(folder) == (old, folder)

    search, of_search = freeze_stage(file, results, "full", replan=True)
    assert of_search == results / "tiny.search"
    assert stage_in(folder) == (search, of_search)
    for identity, record in made_records(search, seed=2).items():
        if not (results / "runs" / f"{identity}.json").exists():
            publish(record, results / "runs")
    new, folder = freeze_stage(file, results, "full", replan=False)
    assert new.confirms.plan != old.confirms.plan
    assert "manifest.1.json (replaced" in new.earlier_plans[0]
    assert stage_in(folder) == (new, folder)


def test_winners_have_seconds_only_if_some_were_chosen_by_them():
    """What won by size is not the best by seconds: measured later, the axis would compare the wrong networks."""
    search = search_plan(TEXT)
    plan = confirmation([search], made_records(search), None)
    table = runs_table(plan, made_records(plan))
    assert "seconds" not in with_seconds(table, specs={}, calibrations={})


def test_seconds_that_are_measured_late_choose_winners_if_the_plan_is_made_anew(tmp_path, monkeypatch):
    """Without --replan the winners stay; with it some are chosen by seconds, and then they stay too."""
    file, results, _ = searched(tmp_path, PLAIN)
    old, folder = freeze_stage(file, results, "full", replan=False)
    assert freeze_stage(file, results, "full", replan=True) == (old, folder)
    table_of = stages.table_of
    monkeypatch.setattr(stages, "table_of", lambda *asked: table_of(*asked).assign(seconds=1.0))  # as if measured
    assert freeze_stage(file, results, "full", replan=False) == (old, folder)
    new, _ = freeze_stage(file, results, "full", replan=True)
    assert {cell.won.axis for cell in new.cells if cell.won} == {
        *(cell.won.axis for cell in old.cells if cell.won),
        "seconds",
    }
    assert freeze_stage(file, results, "full", replan=True) == (new, folder)
