"""Successive halving: rungs are beginnings of the full trainings, and what goes on is what enumeration says.

pytest tests/planning/test_halving.py
"""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_searched import changed, ln_mean, made_record, made_records, planned

from harness.base.errors import HarnessError
from harness.cli import main
from harness.planning.confirm import confirmation
from harness.planning.halving import all_rungs, is_checked, next_rung, overlooked
from harness.planning.plan import make_plan, planned_flops
from harness.record import Record
from harness.spec import Manifest, RunSpec, beginning, parse_experiment, read_manifest, run_id
from harness.train import train_pack

SEARCH = "  trials: 4\n"
ROBUST = "robust_to: {recipes: [lbfgs, levenberg], trials: [2], scrambles: [1]}\n"
EFFORT = "at: [1.0e+6, 4.0e+6]"


def halved(rungs: int = 2, factor: int = 4, trials: int = 16, robust: str = "") -> str:
    search = f"  trials: {trials}\n  halving: {{rungs: {rungs}, factor: {factor}}}\n"
    return changed((SEARCH, search), (ROBUST, robust), (EFFORT, "at: [8.0e+6, 3.2e+7]"))


def losses_of(records: dict[str, Record], rung: Manifest) -> dict[int, float]:
    """By cell, ln of the mean validation loss of the runs of a rung."""
    found: dict[int, list] = {}
    for one in rung.runs:
        metrics = records[one.run_id].metrics
        found.setdefault(one.cell, []).append(metrics.losses.validation if metrics else None)
    return {cell: ln_mean(losses) for cell, losses in found.items()}


# -------------------------------------------------------------------------------------------------------------- rungs
def test_a_rung_is_the_beginning_of_the_full_training(tmp_path):
    """Of every optimiser and engine, with restarts and a decaying schedule, evaluation by evaluation."""
    recipes = (
        "{optimizer: {name: adam, schedule: cosine, learning_rate: 0.05}, max_evaluations: 64}",
        "{optimizer: {name: lbfgs}, max_evaluations: 64, restarts: {count: 3, evaluations: 4}}",
        "{optimizer: {name: adam, schedule: cosine, learning_rate: 0.05, batch_size: 8}, max_evaluations: 64,"
        " grid_updates: {every: 5, until: 40}, grid_extension: {grids: [2], evaluations: 10}}",
        "{optimizer: {name: levenberg_marquardt}, max_evaluations: 64}",
    )
    for engine, recipe in itertools.product(("fused", "torch"), recipes):
        if engine == "fused" and "batch_size" in recipe:
            recipe = recipe.replace("batch_size: 8", "batch_size: null")
        text = f"""
question: Is it the beginning?
tasks: [{{target: xy, train_points: 40, validation_points: 20, test_points: 20}}]
arms: {{kan: {{architecture: {{family: kan, depth: 2, width: 2, grid: 4}}, recipe: one}}}}
recipes: {{one: {recipe}}}
seeds: [0]
engine: {engine}
"""
        run = make_plan(parse_experiment(text), "one").runs[0].run
        end = 26 if run.recipe.grid_extension else 32  # at which the curve of the whole has a point
        cut = run.model_copy(update={"recipe": beginning(run.recipe, end)})
        (whole,), (part,) = (train_pack([one], tmp_path / f"{engine}{hash(recipe)}") for one in (run, cut))
        assert part.evaluations == end
        before = [[point for point in one.curve if point.evaluations < end] for one in (whole, part)]
        assert before[0] == before[1], (engine, recipe)
        if "lbfgs" not in recipe:  # which ends at the best point of an unfinished line search
            assert part.curve[-1] in whole.curve, (engine, recipe)


def test_rungs_spend_equal_parts_of_the_effort():
    """The dearest training that costs no more than its part, whatever the recipe."""
    for axis, at in (("flops_train", "at: [8.0e+6, 3.2e+7]"), ("evaluations", "at: [400, 900]")):
        text = halved(rungs=3, factor=4).replace("axis: flops_train, at: [8.0e+6, 3.2e+7]", f"axis: {axis}, {at}")
        plan = planned(text)
        efforts = plan.experiment.search.effort.at
        for one in plan.runs:
            cell = plan.cells[one.cell]
            effort = efforts[(40, 90).index(cell.asked)]
            for rung, evaluations in enumerate(cell.trial.rungs):
                most = effort / 4 ** (2 - rung)
                spent, more = (
                    planned_flops(_capped(one.run, number))["flops_train.shared_dense"]
                    if axis == "flops_train"
                    else number
                    for number in (evaluations, evaluations + 1)
                )
                assert spent <= most < more


def _capped(run: RunSpec, evaluations: int) -> RunSpec:
    return run.model_copy(update={"recipe": run.recipe.model_copy(update={"max_evaluations": evaluations})})


def test_the_last_rung_is_the_search_without_halving():
    """Its runs are those of the plan without it, with the same ids: records are shared."""
    text = halved()
    full = {one.run_id for one in planned(text.replace("  halving: {rungs: 2, factor: 4}\n", "")).runs}
    first = planned(text)
    assert not full & {one.run_id for one in first.runs}
    last = next_rung([first], made_records(first))
    assert {one.run_id for one in last.runs} < full
    assert (last.name, last.rung, last.is_last_rung, last.cells) == ("tiny.rung2.search", 1, True, first.cells)
    assert all(one.run_id == run_id(one.run) for one in last.runs)


# ------------------------------------------------------------------------------------------------------- what goes on
def test_the_best_of_each_arm_go_on_and_one_in_eight_whatever_its_rank():
    """Against an enumeration, under every way of searching; a trial that failed never goes on."""
    for seed, robust in itertools.product(range(3), ("", ROBUST.replace("[2]", "[8]"))):
        first = planned(halved(robust=robust))
        records = made_records(first, seed, failing=0.2)
        last = next_rung([first], records)
        scores = losses_of(records, first)
        expected = {cell.index for cell in first.cells if is_checked(cell) and math.isfinite(scores[cell.index])}
        for arm, asked in itertools.product(("kan", "mlp"), (40, 90)):
            of_arm = [cell for cell in first.cells if (cell.arm, cell.asked) == (arm, asked)]
            declared = [cell for cell in of_arm if cell.trial.scramble == 0]
            pools = [declared]
            if robust:
                others = [one for one in first.cells if one.arm != arm and one.asked == asked]
                pools += [[cell for cell in declared if cell.trial.number < 8]]
                pools += [[cell for cell in of_arm if cell.trial.scramble == 1]]
                for recipe in ("lbfgs", "levenberg"):
                    both = [
                        sorted(
                            (cell for cell in cells if cell.trial.recipe == recipe and cell.trial.scramble == 0),
                            key=lambda cell: cell.trial.number,
                        )
                        for cells in (of_arm, others)
                    ]
                    pools.append(both[0][: min(map(len, both))])
            for pool in pools:
                alive = sorted((scores[cell.index], cell.trial.number, cell.index) for cell in pool)
                alive = [index for score, _, index in alive if math.isfinite(score)]
                expected |= set(alive[: math.ceil(len(pool) / 4)])
        assert {one.cell for one in last.runs} == expected
        assert {one.run.seed for one in last.runs} == {0, 1}


def test_one_trial_of_every_eight_is_checked():
    plan = planned(halved(trials=64))
    for arm, asked in itertools.product(("kan", "mlp"), (40, 90)):
        of_arm = [cell for cell in plan.cells if (cell.arm, cell.asked) == (arm, asked)]
        numbers = [cell.trial.number for cell in of_arm if is_checked(cell)]
        assert [number // 8 for number in sorted(numbers)] == list(range(8))
        assert len({number % 8 for number in numbers}) > 1


def test_winners_of_sizes_come_from_full_trainings_and_those_of_costs_from_any():
    """What a rung dropped may win a training cost, at which it could have ended, and its work counts."""
    first = planned(halved())
    records = made_records(first)
    last = next_rung([first], records)
    records |= made_records(last, seed=1)
    plan = confirmation([first, last], records, None)
    reached = {one.cell for one in last.runs}
    of_trial = {(cell.arm, cell.network, cell.trial.number): cell.index for cell in first.cells}
    dropped_at_cost = 0
    for cell in plan.cells:
        trained = of_trial[cell.arm, cell.network, cell.won.trial]
        if cell.won.axis == "params.trainable":
            assert (trained in reached, cell.won.stop) == (True, None)
        dropped_at_cost += trained not in reached
    assert dropped_at_cost > 0
    assert plan.confirms.flops_search["flops_train.shared_dense"] == sum(
        record.counts["flops_train.shared_dense"] for record in records.values()
    )


def test_a_full_ranking_would_have_chosen_what_a_check_finds():
    """The page counts the sizes at which a dropped trial that was checked beats all that were kept."""
    first = planned(halved())
    records = made_records(first)
    dropped = [cell for cell in first.cells if cell.arm == "kan" and is_checked(cell)]
    for one in first.runs:
        value = 9.0 if one.cell in {cell.index for cell in dropped} else 1.0
        records[one.run_id] = _with_loss(records[one.run_id], value)
    last = next_rung([first], records)
    for one in last.runs:
        checked = one.cell in {cell.index for cell in dropped}
        made = made_record(one.run, one.run_id, np.random.default_rng(0))
        records[one.run_id] = _with_loss(made, 0.1 if checked else 0.5)
    found = overlooked([first, last], records).set_index("arm")
    assert found.loc["kan"].to_dict() == {"sizes": 2, "dropped": 24, "checked": 4, "overlooked": 2}
    assert found.loc["mlp", "overlooked"] == 0
    assert found.loc["mlp", "dropped"] == 24


def _with_loss(record: Record, value: float) -> Record:
    losses = {"validation_rmse": value, "test_rmse": value, "test_root_median_square": value}
    return record.model_copy(update={"metrics": record.metrics.model_copy(update=losses)})


# ---------------------------------------------------------------------------------------------------------- bad input
def test_what_cannot_be_halved_is_refused():
    few = changed((SEARCH, "  trials: 4\n  halving: {rungs: 3, factor: 4}\n"), (ROBUST, ""))
    phased = halved().replace("{name: lbfgs}, max_evaluations: 9}", "{name: lbfgs}, max_evaluations: 9, phases: 2}")
    early = halved().replace(
        "{name: lbfgs}, max_evaluations: 9}",
        "{name: lbfgs}, max_evaluations: 9000, restarts: {count: 8, evaluations: 1000}}",
    )
    dear = halved(rungs=2, factor=2)
    for text, words in (
        (dear, "this costs 1.06 of a search without halving; take factor 4, or more rungs"),
        (few, "leave less than one of trials=4; give 16 trials or more, or fewer rungs"),
        (phased, "search.halving: recipe 'lbfgs' has phases"),
        (early.replace("recipes: [lbfgs, levenberg]", "recipes: [lbfgs]"), "ends before the last stage of the recipe"),
    ):
        with pytest.raises(HarnessError) as raised:
            planned(text)
        assert words in str(raised.value)


# ------------------------------------------------------------------------------------------------------ the whole way
def test_a_search_with_halving_runs_through_its_rungs(tmp_path, monkeypatch):
    """One command trains all rungs and the winners; the report counts what was dropped; again, it trains nothing."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(halved(rungs=3, factor=2, trials=8), encoding="utf-8")
    done = CliRunner().invoke(main, ["run", "tiny.yaml", "--workers", "1"])
    assert done.exit_code == 0, done.output
    for words in ("rung 1 of 3", "rung 2 of 3", "rung 3 of 3", "stage 2 of 2, confirmation"):
        assert words in done.output
    results = Path("results")
    rungs = [read_manifest(results / name) for name in ("tiny.search", "tiny.rung2.search", "tiny.rung3.search")]
    assert [one.rung for one in rungs] == [0, 1, 2]
    assert len(rungs[0].runs) > len(rungs[1].runs) > len(rungs[2].runs)
    ids = set(read_manifest(results / "tiny").run_ids()) | set(all_rungs(rungs).run_ids())
    assert {path.stem for path in (results / "runs").glob("*.json")} == ids
    assert "Successive halving" in (results / "tiny" / "report.html").read_text(encoding="utf-8")
    table = (results / "tiny" / "halving.csv").read_text(encoding="utf-8")
    assert table.startswith("arm,sizes,dropped,checked,overlooked")
    told = CliRunner().invoke(main, ["status", str(results / "tiny.rung2.search")]).output
    assert told.startswith("stage 1 of 2, search, rung 2 of 3: tiny.rung2.search: ")
    again = CliRunner().invoke(main, ["run", "tiny.yaml"])
    assert "runs have records" in again.output
    assert {path.stem for path in (results / "runs").glob("*.json")} == ids
