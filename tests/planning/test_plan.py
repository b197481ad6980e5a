"""Plans: what is asked becomes networks that meet it, or cells that say why not."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from commands import refused
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import HarnessError
from harness.families import KanShape, MlpShape, Transformer
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.planning import arms, candidates
from harness.planning.plan import (
    PACK_BYTES,
    lane_bytes,
    make_plan,
    packs_of,
    planned_flops,
    runs_at_a_time,
)
from harness.planning.solve import most_evaluations, nearest_sizes
from harness.spec.manifest import PlannedRun, check_unchanged, freeze, read_manifest
from harness.spec.read import parse_experiment
from harness.spec.recipe import Recipe, Restarts, stages
from harness.spec.run import RunSpec, content_hash, run_id, run_ids, write_sealed
from harness.spec.task import Task
from harness.tasks import keep_data, resolve

TEXT = """
question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [5]}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: fast}
match: {axis: params, at: [135, 1000], tol: 0.15, solve: {kan: grid, mlp: width}}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10, restarts: {count: 2, evaluations: 2}}
seeds: [0, 1]
"""
RULE = "{claim: c, quantity: exponent, sides: [kan, mlp], at: params.trainable, threshold: 0"
EXPLICIT = TEXT.replace(
    "match: {axis: params, at: [135, 1000], tol: 0.15, solve: {kan: grid, mlp: width}}\n", ""
)


def _plan(text: str):
    return make_plan(parse_experiment(text), "test")


def test_ids_of_seeds_are_those_of_their_runs():
    run = _plan(TEXT).runs[0].run
    seeds = (0, 7, 2**32 - 1)
    assert run_ids(run, seeds) == [
        content_hash(run.model_copy(update={"seed": seed}))[:16] for seed in seeds
    ]


@pytest.mark.parametrize(
    ("axis", "budget"), [("params", 1000), ("flops_forward", 5000), ("flops_train", 2e8)]
)
def test_achieved_budgets_are_within_tolerance(axis, budget):
    plan = _plan(TEXT.replace("axis: params, at: [135, 1000]", f"axis: {axis}, at: [{budget}]"))
    for cell in plan.cells:
        assert abs(cell.achieved / budget - 1) <= 0.15
        assert cell.residual == pytest.approx(cell.achieved / budget - 1)


def test_budgets_in_steps_are_met_through_the_evaluation_cap():
    text = TEXT.replace("axis: params, at: [135, 1000]", "axis: flops_train, at: [1e9, 1e10]")
    text = text.replace("solve: {kan: grid, mlp: width}", "solve: steps")
    text = text.replace(
        "hidden: [5]}, recipe: fast}", "hidden: [5]}, recipe: fast, sizes: {grid: [3, 10]}}"
    )
    text = text.replace(
        "depth: 3}, recipe: fast}", "depth: 3}, recipe: fast, sizes: {width: [4, 8]}}"
    )
    plan = _plan(text)
    assert len(plan.cells) == 8
    assert {cell.series for cell in plan.cells if cell.arm == "kan"} == {
        "kan at 1e+09 FLOPs",
        "kan at 1e+10 FLOPs",
    }
    for planned in plan.runs:
        spent = planned_flops(planned.run)["flops_train.shared_dense"]
        assert spent == plan.cells[planned.cell].counts["flops_train.shared_dense"]
        assert spent == pytest.approx(plan.cells[planned.cell].asked, rel=0.15)


def test_depth_is_solved_from_two_layers_up():
    text = TEXT.replace("{kan: grid, mlp: width}", "depth").replace(
        "[135, 1000], tol: 0.15", "[140, 900], tol: 0.2"
    )
    text = text.replace("hidden: [5]", "width: 3, grid: 4").replace("depth: 3", "width: 8")
    shapes = {
        (cell.arm, cell.asked): cell.network.shape for cell in _plan(text).cells if cell.network
    }
    assert shapes["mlp", 900] == (2, *(8,) * 13, 1)
    assert shapes["kan", 140] == (2, 3, 3, 1)
    assert all(len(shape) >= 3 for shape in shapes.values())


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.floats(0.5, 2000))
def test_the_search_brackets_any_increasing_count(increments, budget):
    def counted(n: int) -> int:
        return sum(increments[i % len(increments)] for i in range(n))

    found = nearest_sizes(counted, budget)
    assert found[-1] - found[0] <= 1
    assert counted(found[-1]) >= budget
    assert len(found) == 1 or counted(found[0]) < budget


@pytest.mark.parametrize("count", [lambda n: 50_000 + 30 * n, lambda n: 2 * n * n + 7 * n])
def test_the_search_counts_few_sizes(count):
    """A plan of a search asks for tens of thousands of sizes, so that each may cost a few counts
    only.
    """
    counted = Mock(wraps=count)
    assert nearest_sizes(counted, count(1999) + 1) == [1999, 2000]
    assert counted.call_count <= 8


@given(
    st.integers(1, 40), st.integers(0, 5), st.integers(0, 9), st.integers(1, 60), st.floats(1, 5000)
)
def test_the_most_evaluations_are_found_wherever_they_lie(each, bend, step, least, allowed):
    """While costs still bend, as an optimiser's memory fills, or jump, as knots move, and where
    none is allowed.
    """

    def spent(cap: int) -> int:
        assert cap >= least
        return 100 + each * cap + bend * min(cap, 30) ** 2 + 50 * step * min(cap, 40) // 10

    found = most_evaluations(spent, allowed, least, late=least + 50)
    assert found == max((cap for cap in range(least, 6000) if spent(cap) <= allowed), default=0)


def test_budgets_share_the_sizes_that_are_counted(monkeypatch):
    counted = Mock(wraps=arms.count_of)
    monkeypatch.setattr(arms, "count_of", counted)
    plan = _plan(TEXT.replace("tol: 0.15", "tol: 0.4").replace("[135, 1000]", "[1000, 2000, 3000]"))
    assert not any(cell.infeasible for cell in plan.cells)
    assert counted.call_count <= 2 * (4 + 3 * 2)


def test_tasks_that_networks_see_alike_are_solved_once(monkeypatch):
    solve = Mock(wraps=candidates.solve)
    monkeypatch.setattr(candidates, "solve", solve)
    _plan(TEXT.replace("[exp2d]", "[exp2d, xy]"))
    assert solve.call_count == 4
    _plan(TEXT.replace("[exp2d]", "[exp2d, {target: xy, train_points: 900}]"))
    assert solve.call_count == 4 + 8


def test_an_axis_of_another_arm_solves_no_arm_again(monkeypatch):
    solve = Mock(wraps=candidates.solve)
    monkeypatch.setattr(candidates, "solve", solve)
    zipped = TEXT.replace(
        "tasks: [exp2d]", "tasks: [exp2d]\nzip: {tasks: [[exp2d], [xy]], PATH: [2, 3]}"
    )
    _plan(zipped.replace("PATH", "arms.kan.architecture.order"))
    assert solve.call_count == 2 * 2 + 2
    _plan(zipped.replace("PATH", "recipes.fast.restarts.count"))
    assert solve.call_count == 6 + 2 * 4


def test_an_infeasible_cell_stays_and_names_its_neighbours():
    plan = _plan(TEXT.replace("at: [135, 1000], tol: 0.15", "at: [75, 1000], tol: 0.05"))
    cells = {(cell.arm, cell.asked): cell for cell in plan.cells}
    assert "width=6 gives 67 (-11%), width=7 gives 85 (+13%)" in cells["mlp", 75].infeasible
    assert cells["kan", 75].infeasible is None
    assert all(run.cell != cells["mlp", 75].index for run in plan.runs)


def test_the_nearest_size_is_nearest_by_the_measure_of_the_tolerance():
    text = (
        TEXT.replace("[exp2d]", "[j0]")
        .replace("hidden: [5]", "hidden: []")
        .replace("tol: 0.15", "tol: 0.09")
    )
    assert _plan(text.replace("at: [135, 1000]", "at: [5.48, 1000]")).cells[0].achieved == 5


def test_a_grid_that_its_coarser_grids_leave_no_work_is_not_searched_beyond():
    text = (
        TEXT.replace("[exp2d]", "[j0]")
        .replace("hidden: [5]", "hidden: []")
        .replace("[135, 1000]", "[39, 1000]")
    )
    extension = "grid_extension: {grids: [5, 10, 20, 40], evaluations: 120}"
    text = text.replace("max_evaluations: 10,", f"max_evaluations: 400, {extension},")
    cells = [cell for cell in _plan(text).cells if cell.arm == "kan"]
    assert cells[0].network.grid == 35
    assert "nearest: grid=40 gives 44" in cells[1].infeasible


def test_a_finer_ladder_does_not_retrain_coarser_networks():
    """Only the grids below a network's own are in its identity; so are restarts only if there are
    any.
    """
    text = TEXT.replace(
        "restarts: {count: 2, evaluations: 2}", "grid_extension: {grids: [2, 3], evaluations: 2}"
    )
    longer = text.replace("[2, 3]", "[2, 3, 500]").replace(
        "max_eval", "restarts: {evaluations: 9}, max_eval"
    )
    assert [p.run_id for p in _plan(text).runs] == [p.run_id for p in _plan(longer).runs]


def test_equal_stages_train_every_grid_as_long_as_the_next():
    sizes = "arms.kan.architecture.grid: [2, 3, 7]"
    equal = "grid_extension: {grids: [2, 3, 7], evaluations: 2, equal: true}"
    text = EXPLICIT.replace("restarts: {count: 2, evaluations: 2}", equal).replace(
        "depth: 3}", "hidden: [3]}"
    )
    courses = set()
    for run in (planned.run for planned in _plan(text + f"grid: {{{sizes}}}\n").runs):
        if run.network.family == "kan":
            courses.add(
                tuple(
                    (stage.network.grid, stage.evaluations)
                    for stage in stages(run.network, run.recipe)
                )
            )
    assert courses == {((2, 2),), ((2, 2), (3, 2)), ((2, 2), (3, 2), (7, 2))}


def test_an_axis_on_anothers_recipe_does_not_split_an_arm():
    text = TEXT.replace("depth: 3}, recipe: fast", "depth: 3}, recipe: other")
    text = text.replace(
        "recipes:\n", "recipes:\n  other: {optimizer: {name: adam}, max_evaluations: 10}\n"
    )
    plan = _plan(text + "grid: {recipes.fast.max_evaluations: [10, 20]}\n")
    assert {cell.series for cell in plan.cells} == {
        "kan max_evaluations=10",
        "kan max_evaluations=20",
        "mlp",
    }


def test_a_budget_beyond_all_sizes_says_so():
    plan = _plan(TEXT.replace("at: [135, 1000]", "at: [135, 1e15]"))
    assert "is beyond grid=1,048,576, the largest that is tried" in plan.cells[1].infeasible


def test_two_budgets_with_one_network_are_one_size():
    plan = _plan(TEXT.replace("at: [135, 1000]", "at: [134, 136]"))
    assert [bool(cell.infeasible) for cell in plan.cells if cell.arm == "kan"] == [False, True]


def test_identity_is_content():
    base = {planned.run_id for planned in _plan(TEXT).runs}
    renamed = {
        p.run_id
        for p in _plan(TEXT.replace("kan:", "spline:").replace("[135, 1000]", "[136, 1001]")).runs
    }
    more = {p.run_id for p in _plan(TEXT.replace("seeds: [0, 1]", "seeds: [0, 1, 2]")).runs}
    other = {
        p.run_id for p in _plan(TEXT.replace("max_evaluations: 10", "max_evaluations: 11")).runs
    }
    assert renamed == base
    assert base < more
    assert not base & other


def test_what_a_law_is_fitted_to_is_no_part_of_a_runs_identity():
    declared = _plan(TEXT + "hold_out: 1\nwindow: {kan: {until: minimum}}\n")
    assert declared.run_ids() == _plan(TEXT).run_ids()
    assert {cell.hold_out for cell in declared.cells} == {1}
    assert content_hash(declared.experiment) != content_hash(_plan(TEXT).experiment)


@pytest.mark.parametrize(
    ("plain", "more"),
    [
        ("max_evaluations: 10", "max_evaluations: 10, grid_updates: {every: 5, until: 5}"),
        ("{name: levenberg_marquardt}", "{name: levenberg_marquardt, ridge: 1.0e-9}"),
    ],
)
def test_what_is_of_splines_is_in_no_mlps_identity(plain, more):
    text = TEXT if plain in TEXT else TEXT.replace("{name: adam}", plain)
    assert plain in text
    before, after = (_plan(said).runs for said in (text, text.replace(plain, more)))
    assert [one.run_id for one in before if one.cell > 1] == [
        one.run_id for one in after if one.cell > 1
    ]


def test_the_paper_recipe_turns_scales_on():
    text = EXPLICIT.replace("hidden: [5]}", "hidden: [5], grid: 3}").replace(
        "depth: 3}", "hidden: [4]}"
    )
    paper = text.replace("grid: 3}, recipe: fast", "grid: 3}, recipe: paper")

    off = paper.replace("grid: 3}", "grid: 3, scales: false}")
    assert [_plan(each).cells[0].network.scales for each in (text, paper, off)] == [
        False,
        True,
        False,
    ]


def test_axis_values_that_tell_siblings_apart_are_in_the_series_name():
    plan = _plan(TEXT + "grid: {arms.kan.architecture.order: [2, 3]}\n")
    assert {cell.series for cell in plan.cells} == {"kan order=2", "kan order=3", "mlp"}
    assert sum(cell.series == "mlp" for cell in plan.cells) == 2
    assert len([planned for planned in plan.runs if planned.run.network.family == "mlp"]) == 4


def test_windows_on_an_axis_make_series_of_their_own():
    plan = _plan(TEXT + "grid: {window.mlp.max: [100, 10000]}\n")
    whole = _plan(TEXT + "grid: {window: [{mlp: {max: 100}}, {mlp: {max: 10000}}]}\n")
    assert {cell.series for cell in plan.cells} == {"kan", "mlp max=100", "mlp max=10000"}
    assert [cell.in_window for cell in plan.cells if cell.series == "mlp max=100"] == [False, False]
    assert len({cell.series for cell in whole.cells if cell.arm == "mlp"}) == 2


def test_weight_decay_can_vary_and_is_common_to_a_pack():
    without = _plan(TEXT + "engine: torch\n")
    plan = _plan(TEXT + "engine: torch\ngrid: {recipes.fast.optimizer.weight_decay: [0, 0.1]}\n")
    decays = {one.run_id: one.run.recipe.optimizer.weight_decay for one in plan.runs}
    assert set(without.run_ids()) == {
        identity for identity, weight_decay in decays.items() if weight_decay == 0
    }
    assert len(decays) == 2 * len(without.runs)
    assert [len({decays[identity] for identity in pack}) for pack in plan.packs] == [1] * len(
        plan.packs
    )


def test_a_task_is_named_by_what_tells_it_from_others():
    text = TEXT.replace("[exp2d]", "[xy, exp2d, {target: exp2d, train_points: 3000}]")
    assert {cell.task for cell in _plan(text).cells} == {
        "xy",
        "exp2d train_points=1000",
        "exp2d train_points=3000",
    }


OLD_PAPER = "recipes:\n  paper: {optimizer: {name: adam}, max_evaluations: 9}\n"
RANK = "{family: spline_mlp, hidden: [4], rank: 2}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("depth: 3}", "depth: 1}", "depth=1 has no hidden layer"),
        ("recipes:\n", OLD_PAPER, "recipes.paper: this name"),
        ("", "grid: {recipes.fast.gain: [1, 1]}", "grid.recipes.fast.gain: 1 is given"),
        ("kan: grid, mlp: width", "kan: steps, mlp: width", "solve: steps does not change params"),
        ("", "window: {mlp: {min: 10, max: 1}}", "window.mlp.min=10 must be below max=1"),
        (
            "",
            "window: {mlp: {max: 9, until: minimum}}",
            "window.mlp.max=9 and until=minimum both end the window; keep",
        ),
        ("", "window: {mlp: {until: minimun}}", "did you mean 'minimum'?"),
        ("", "hold_out: -1", "hold_out=-1: input should be greater than or equal to 0"),
        ("", "hold_out: 2", "hold_out=2: kan on exp2d has 2 sizes in its window"),
        ("", "decide: [" + RULE.replace("mlp", "kan") + ", at_least: 1}]", "with itself"),
        ("", "dtype: float32\nengine: fused", "use engine: torch, or leave `engine` out"),
        ("", "device: cuda\nengine: fused", "use engine: torch, or leave `engine` out"),
        (
            "",
            "dtype: bfloat16",
            "family=kan: dtype: bfloat16 is for transformers, and its three digits are too few",
        ),
        (
            "{family: mlp, depth: 3}",
            RANK,
            "a node has several splines only before the map; say place: before",
        ),
        (
            "hidden: [5]}",
            "hidden: [5], grid: 3}",
            "arms.kan.architecture.grid=3: this size is varied by the plan",
        ),
        ("depth: 3}", "hidden: [4]}", "arms.mlp.architecture: hidden=[4] fixes depth and width"),
        ("depth: 3}", "}", "arms.mlp.architecture.depth is missing"),
        (
            "mlp: width",
            "mlp: grid",
            "a network of family mlp has no grid; arm 'mlp' can solve for width, depth, steps",
        ),
        (", mlp: width", "", "match.solve: says nothing about arm 'mlp'"),
        ("evaluations: 2}", "evaluations: 5}", "restarts use 10 evaluations"),
        ("[exp2d]", "[exp2b]", "did you mean 'exp2d'"),
        ("", "grid: {device: [cpu, cuda]}", "grid.device: device is said once for all"),
    ],
)
def test_contradictions_are_named(old, new, said):
    assert said in refused(_plan, TEXT.replace(old, new) if old else f"{TEXT}{new}\n")


def test_a_plan_is_frozen_and_read_back(tmp_path):
    plan = _plan(TEXT)
    freeze(plan, tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    assert read_manifest(tmp_path) == plan == freeze(_plan(TEXT), tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_plan_of_an_earlier_version_is_refused_and_kept_beside_the_new_one(tmp_path):
    write_sealed(tmp_path / "manifest.json", _plan(TEXT).model_copy(update={"manifest_schema": 1}))
    told = refused(read_manifest, tmp_path)
    assert "a plan of schema 1; this version reads 2" in told
    assert "`harness plan FILE --replan` makes it anew and keeps this one beside it" in told
    plan = freeze(_plan(TEXT), tmp_path, replan=True)
    assert plan.run_ids() == _plan(TEXT).run_ids()
    assert '"manifest_schema": 1' in (tmp_path / "manifest.1.json").read_text(encoding="utf-8")


def test_a_plan_of_before_a_count_is_the_same_plan(tmp_path):
    plan = _plan(TEXT)
    fewer = []
    for cell in plan.cells:
        counts = {name: count for name, count in cell.counts.items() if name != "params.stored"}
        fewer.append(cell.model_copy(update={"counts": counts}))
    old = plan.model_copy(update={"cells": tuple(fewer)})
    freeze(old, tmp_path)
    assert freeze(plan, tmp_path) == old != plan
    recounted = [
        cell.model_copy(update={"counts": {**cell.counts, "params.trainable": 1}})
        for cell in plan.cells
    ]
    assert "holds another plan" in refused(
        freeze, plan.model_copy(update={"cells": tuple(recounted)}), tmp_path
    )


def test_a_frozen_plan_stands_whoever_trains_together(tmp_path, monkeypatch):
    monkeypatch.setitem(PACK_BYTES, "cpu", 1)
    frozen = freeze(_plan(TEXT + "engine: torch\n"), tmp_path)
    monkeypatch.undo()
    now = _plan(TEXT + "engine: torch\n")
    assert len(now.packs) < len(frozen.packs)
    assert freeze(now, tmp_path) == frozen == read_manifest(tmp_path)


def test_an_mlp_of_waves_is_matched_and_trained_by_kernels():
    waves = "{family: mlp, depth: 3, activation: sine, features: 4}"
    for convention in ("trainable", "stored"):
        text = TEXT.replace("{family: mlp, depth: 3}", waves).replace(
            "axis: p", f"convention: {convention}, axis: p"
        )
        plan = _plan(text + "grid: {arms.mlp.architecture.omega_0: [10, 30]}\n")
        mlps = [planned.run.network for planned in plan.runs if planned.run.network.family == "mlp"]
        assert all(abs(cell.residual) <= 0.15 for cell in plan.cells)
        assert {planned.run.engine for planned in plan.runs} == {"fused"}
        assert {(each.omega_0, each.features) for each in mlps} == {(10, 4), (30, 4)}


def test_another_plan_does_not_replace_the_frozen_one_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "link", Mock(side_effect=OSError(errno.EPERM, os.strerror(errno.EPERM)))
    )
    freeze(_plan(TEXT), tmp_path)
    first = (tmp_path / "manifest.json").read_bytes()
    edited = _plan(TEXT.replace("seeds: [0, 1]", "seeds: [0]"))
    assert "differs in: seeds" in refused(freeze, edited, tmp_path)
    freeze(edited, tmp_path, replan=True)
    assert read_manifest(tmp_path).earlier_plans == (
        "manifest.1.json (replaced; differed in seeds)",
    )
    assert (tmp_path / "manifest.1.json").read_bytes() == first


def test_a_field_that_was_left_out_at_its_default_is_seen_to_change(tmp_path):
    for name, texts in (
        ("there", (TEXT, TEXT + "hold_out: 1\n")),
        ("back", (TEXT + "hold_out: 1\n", TEXT)),
    ):
        first, second = (_plan(text) for text in texts)
        freeze(first, tmp_path / name)
        assert "differs in: hold_out)" in refused(freeze, second, tmp_path / name)
        assert "differs in: hold_out)" in refused(
            check_unchanged, first, second.experiment, tmp_path
        )


@pytest.mark.parametrize(
    "damage", ["", "{", '{"manifest_schema": 99}', '{"checksum": "0", "manifest_schema": 1}']
)
def test_a_damaged_manifest_is_refused(tmp_path, damage):
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(HarnessError, match="cannot be read") as caught:
        read_manifest(tmp_path)
    assert caught.value.exit_code == 3
    freeze(_plan(TEXT), tmp_path, replan=True)
    assert (tmp_path / "manifest.1.json").read_text() == damage


@pytest.mark.parametrize(
    ("more", "engine"),
    [
        ("", "fused"),
        *((one, "torch") for one in ("engine: torch", "dtype: float32", "device: cuda")),
    ],
)
def test_the_engine_is_fused_where_it_can_be(more, engine):
    assert {planned.run.engine for planned in _plan(TEXT + more + "\n").runs} == {engine}


def test_only_runs_whose_numbers_changed_have_another_version_of_the_torch_engine():
    """By torch's L-BFGS, and of wide KANs, it is 2; elsewhere 1, which is no part of a run's
    identity.
    """
    lbfgs, wide = "{name: lbfgs}", "hidden: [64]"
    versions = {}
    for name, text in {
        "fused": TEXT.replace("{name: adam}", lbfgs),
        "torch": TEXT + "engine: torch\n",
        "lbfgs": TEXT.replace("{name: adam}", lbfgs) + "engine: torch\n",
        "wide": TEXT.replace("hidden: [5]", wide).replace("[135, 1000]", "[1800, 3000]")
        + "engine: torch\n",
    }.items():
        runs = [planned.run for planned in _plan(text).runs]
        versions[name] = {(run.network.family, run.engine_version) for run in runs}
        for run in runs:
            assert ("engine_version" in run.model_dump(mode="json")) == (run.engine_version > 1)

    assert versions["fused"] == versions["torch"] == {("kan", 1), ("mlp", 1)}
    assert versions["lbfgs"] == {("kan", 2), ("mlp", 2)}
    assert versions["wide"] == {("kan", 2), ("mlp", 1)}


def test_runs_of_the_fused_engine_are_packs_of_their_own():
    """No run gains by company there, so that workers share them evenly; the torch engine packs what
    computes alike.
    """
    alone, together = (_plan(TEXT + f"engine: {engine}\n") for engine in ("fused", "torch"))
    assert all(len(pack) == 1 for pack in alone.packs)
    assert max(map(len, together.packs)) > 1


LEVENBERG = TEXT.replace("{name: adam}", "{name: levenberg_marquardt, ridge: 1.0e-9}")
SPLINES = TEXT.replace(
    "{family: mlp, depth: 3}", "{family: spline_mlp, hidden: [5], place: before}"
).replace("mlp: width", "mlp: grid")


def test_an_mlp_with_splines_is_matched_by_its_grid_and_trained_like_a_kan():
    recipe = (
        "max_evaluations: 10, grid_updates: {every: 2}, sparsity: {strength: 0.1, evaluations: 2}, "
    )
    plan = _plan(SPLINES.replace("max_evaluations: 10, ", recipe))
    runs = [planned.run for planned in plan.runs if planned.run.network.family == "spline_mlp"]
    assert all(abs(cell.residual) <= 0.15 for cell in plan.cells)
    assert {run.engine for run in runs} == {"fused"}
    assert all(run.recipe.grid_updates and not run.recipe.sparsity for run in runs)
    assert all(planned_flops(run)["flops_train.part_knots"] > 0 for run in runs)
    assert all("flops_train.executed" in planned_flops(run) for run in runs)


def test_a_ladder_of_degrees_needs_no_match():
    text = EXPLICIT.replace("family: mlp, depth: 3}", "family: chebyshev_kan, hidden: [4]}")
    text = text.replace("{family: kan, hidden: [5]}", "{family: kan, hidden: [5], grid: 3}")
    arm = "{family: chebyshev_kan, hidden: [4]}, "
    plan = _plan(text.replace(arm, arm + "sizes: {degree: [2, 5]}, "))
    assert [cell.network.degree for cell in plan.cells if cell.arm == "mlp"] == [2, 5]
    told = refused(_plan, text.replace(arm, arm + "sizes: {degree: [2], width: [3]}, "))
    assert "give exactly one of grid, width, depth, hidden, degree, harmonics" in told


def test_a_count_that_does_not_define_a_family_is_refused():
    paper, rule = (
        "axis: params, convention: paper",
        RULE.replace("params.trainable", "params.paper"),
    )
    for place, text in {
        "match.convention": SPLINES.replace("axis: params", paper),
        "window.mlp.axis": SPLINES + "window: {mlp: {axis: params.paper, min: 1}}\n",
        "decide.0.at": SPLINES + "decide: [" + rule + ", at_least: 1}]\n",
    }.items():
        assert f"{place}: params.paper does not count spline_mlp (arm 'mlp')" in refused(
            _plan, text
        )


def test_systems_too_large_for_levenberg_marquardt_are_infeasible_cells():
    """A dense matrix of as many rows as parameters must fit: what does not stays in the plan, with
    the limit.
    """
    plan = _plan(LEVENBERG.replace("at: [135, 1000]", "at: [135, 20000]"))
    told = [cell.infeasible for cell in plan.cells if cell.asked == 20000]
    assert len(told) == 2
    # The MLP has no ridge, so that its system is of the points' size.
    assert sum("at most 8,192 are allowed" in (reason or "") for reason in told) == 1


TASK = resolve(Task(target="exp2d", train_points=1000))
KAN = KanShape(shape=(2, 5, 1), grid=5)
LBFGS = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=100)


def _run(network=KAN, recipe=LBFGS, seed=0, task=TASK, **changes) -> RunSpec:
    return RunSpec(task=task, network=network, recipe=recipe, seed=seed, **changes)


def test_lanes_take_more_the_more_they_keep():
    small = lane_bytes(_run())
    history = Recipe(optimizer=Lbfgs(name="lbfgs", history=100), max_evaluations=100)
    levenberg = Recipe(
        optimizer=LevenbergMarquardt(name="levenberg_marquardt"), max_evaluations=100
    )
    batches = Recipe(optimizer=Adam(name="adam", batch_size=10), max_evaluations=100)
    assert lane_bytes(_run(task=TASK.model_copy(update={"train_points": 2000}))) > 1.9 * small
    assert lane_bytes(_run(KanShape(shape=(2, 50, 1), grid=5))) > 5 * small
    assert lane_bytes(_run(recipe=history)) > small
    assert lane_bytes(_run(recipe=levenberg)) > lane_bytes(_run(recipe=batches)) + 8 * 1000 * 135
    assert lane_bytes(_run(recipe=batches)) < small / 10
    assert lane_bytes(_run(dtype="float32")) == small / 2


PEAK = """
import sys
from pathlib import Path
from harness.planning.plan import lane_bytes
from harness.spec.run import RunSpec
from harness.tasks import fetch_data
from harness.train import torch_engine, torch_threads

def peak(runs):
    with torch_threads(1):
        pack = torch_engine.prepare(runs)
        torch_engine.advance(pack, torch_engine.begin(pack), 2)
    status = Path("/proc/self/status").read_text()  # getrusage would begin with the peak of the process of the tests
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

small, large = (RunSpec.model_validate_json(text) for text in sys.argv[1:3])
fetch_data([large.task], Path("data"))
before = peak([small])
runs = [large.model_copy(update={"seed": seed}) for seed in range(int(sys.argv[3]))]
print(len(runs) * lane_bytes(large) / (peak(runs) - before))
"""
FOUR_LAYERS = {
    "layers": 4,
    "width": 64,
    "head_width": 8,
    "block": {"family": "mlp", "activation": "relu"},
}
BELIEFS = Task(target="mess3", context=10, train_points=300, validation_points=10, test_points=20)
TEXT_OF_84 = Task(
    target={"text": "text.txt"}, context=64, train_points=40, validation_points=10, test_points=20
)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
@pytest.mark.parametrize(
    ("task", "sizes", "batch", "lanes"),
    [
        (BELIEFS, FOUR_LAYERS, 256, 8),
        (TEXT_OF_84, {"layers": 2, "width": 64, "heads": 2, "block": {"family": "mlp"}}, 32, 10),
    ],
    ids=["belief_geometry", "language"],
)
def test_packs_of_transformers_take_what_is_predicted(
    task, sizes, batch, lanes, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("".join(map(chr, range(33, 117))) * 80, encoding="utf-8")
    task = resolve(task)
    keep_data([task], Path("data"))
    architecture = Transformer.model_validate({"family": "transformer", **sizes})
    network = architecture.network_of(task.inputs, task.outputs, "arm", scales=False)
    texts = []
    for batch_size in (1, batch):
        recipe = Recipe(optimizer=Adam(name="adam", batch_size=batch_size), max_evaluations=10)
        texts.append(
            _run(network, recipe, task=task, dtype="float32", engine="torch").model_dump_json()
        )
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *texts, str(lanes)], capture_output=True, text=True, check=True
    )
    assert 1 / 2 < float(done.stdout) < 2


def test_points_of_a_text_are_its_tokens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("".join(map(chr, range(33, 117))) * 80, encoding="utf-8")
    network = Transformer.model_validate(
        {"family": "transformer", "layers": 1, "width": 4, "block": {"family": "mlp"}}
    )
    recipe, taken = Recipe(optimizer=Adam(name="adam", batch_size=2), max_evaluations=10), []
    for points in (100, 1100):
        task = resolve(TEXT_OF_84.model_copy(update={"train_points": points}))
        shape = network.network_of(task.inputs, task.outputs, "arm", scales=False)
        taken.append(lane_bytes(_run(shape, recipe, task=task, dtype="float32")))
    assert taken[1] - taken[0] == 4 * 1000 * (64 + 64)


def test_a_pack_has_as_many_lanes_as_fit(monkeypatch):
    """All starts of its runs count; two lanes are always let in, as a lone one would have an idle
    companion.
    """
    monkeypatch.setitem(PACK_BYTES, "cpu", 10 * lane_bytes(_run()))
    runs = [_run(seed=seed) for seed in range(25)]
    planned = [PlannedRun(run_id=run_id(run), cell=0, trial=0, run=run) for run in runs]
    starts = Recipe(
        optimizer=Lbfgs(name="lbfgs"),
        max_evaluations=100,
        restarts=Restarts(count=4, evaluations=10),
    )
    assert sorted(map(len, packs_of(planned, "cpu"))) == [5, 10, 10]
    assert sorted(run for pack in packs_of(planned, "cpu") for run in pack) == sorted(
        one.run_id for one in planned
    )
    assert len(packs_of(planned, "cuda")) == 1
    assert runs_at_a_time(_run(recipe=starts), "cpu") == 2
    assert runs_at_a_time(_run(MlpShape(shape=(2, 500, 500, 1))), "cpu") == 2
