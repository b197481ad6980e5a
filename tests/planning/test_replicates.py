"""Each seed of a search is a replicate: a whole search of every arm at every size, on settings and
data of its own.
"""

from collections import defaultdict
from statistics import median_low

from commands import refused

from harness.count import count_of
from harness.planning.plan import make_plan, packs_of, planned_flops
from harness.planning.points import COMBINATIONS
from harness.spec.manifest import freeze, read_manifest
from harness.spec.read import parse_experiment
from harness.spec.run import RunSpec, run_id

TEXT = """
question: which?
tasks: [exp2d, xy]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: fast}
match: {axis: params, at: [60, 130], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 1000}}
search: {runs: 6, replicates: 3, cap: {flops_train.shared_dense: 5.0e+7}}
"""
FIXED = TEXT.replace("recipe: fast}", "recipe: fast, space: {}}")


def planned(text=TEXT):
    return make_plan(parse_experiment(text, "which.yaml"), "which")


def by_cell(plan):
    found = defaultdict(lambda: defaultdict(list))
    for one in plan.runs:
        cell = plan.cells[one.cell]
        found[cell.task, cell.arm, cell.asked][one.run.seed].append(one)
    return found


def setting(run: RunSpec):
    return (
        run.network.begun_as(),
        run.recipe,
        [getattr(run.network, name) for name in run.network.begins_by],
    )


def test_every_replicate_has_all_runs_of_every_arm_at_every_size():
    plan = planned()
    cells = by_cell(plan)
    assert len(cells) == len(plan.cells) == 2 * 2 * 2
    for replicates in cells.values():
        trials = {seed: [one.trial for one in runs] for seed, runs in replicates.items()}
        assert trials == {seed: list(range(6)) for seed in range(3)}
        assert all(
            one.trial == one.run.initialisation for runs in replicates.values() for one in runs
        )
    assert plan.experiment.seeds == (0, 1, 2)
    for cell in plan.cells:
        spent = [
            planned_flops(one.run)["flops_train.local_min"]
            for one in plan.runs
            if one.cell == cell.index
        ]
        assert cell.counts["params.trainable"] == cell.asked
        assert cell.counts["flops_train.local_min"] == median_low(spent)
    assert len(set(plan.run_ids())) == len(plan.runs) == 8 * 18
    assert planned().run_ids() == plan.run_ids()


def test_settings_are_the_replicates_own_and_the_same_on_all_tasks():
    cells = by_cell(planned())
    for arm in ("kan", "mlp"):
        for asked in (60, 130):
            one, other = cells["exp2d", arm, asked], cells["xy", arm, asked]
            for seed in range(3):
                assert [setting(run.run) for run in one[seed]] == [
                    setting(run.run) for run in other[seed]
                ]
            assert setting(one[0][0].run) == setting(one[1][0].run)
            assert not any(setting(a.run) == setting(b.run) for a in one[0][1:] for b in one[1][1:])


def test_a_run_has_the_largest_size_that_does_not_exceed_its_budget_and_all_of_its_cap():
    plan = planned()
    for one in plan.runs:
        asked = plan.cells[one.cell].asked
        network, recipe = one.run.network, one.run.recipe
        assert 0.7 * asked <= count_of(network, "params.trainable") <= asked
        if network.family == "kan":
            larger = network.model_copy(update={"grid": network.grid + 1})
        else:
            widths = (
                network.shape[0],
                *(width + 1 for width in network.shape[1:-1]),
                network.shape[-1],
            )
            larger = network.model_copy(update={"shape": widths})
        assert count_of(larger, "params.trainable") > asked
        longer = recipe.model_copy(update={"max_evaluations": recipe.max_evaluations + 1})
        assert planned_flops(one.run)["flops_train.shared_dense"] <= 5e7
        assert (
            planned_flops(one.run.model_copy(update={"recipe": longer}))["flops_train.shared_dense"]
            > 5e7
        )


def test_a_restart_is_a_run_like_another():
    plan = planned(FIXED)
    for replicates in by_cell(plan).values():
        for seed, runs in replicates.items():
            first = runs[0].run
            assert len({one.run_id for one in runs}) == 6
            for number, one in enumerate(runs):
                assert one.run == first.model_copy(update={"initialisation": number})
                assert one.run.seed == seed
    plain = first.model_dump(mode="json")
    assert "initialisation" not in plain
    assert run_id(RunSpec.model_validate(first.model_dump())) == run_id(first)


def test_lanes_of_the_torch_engine_fill_packs():
    search = "search: {runs: 32, replicates: 3"
    plan = planned(TEXT.replace("search: {runs: 6, replicates: 3", search) + "engine: torch\n")
    for (_, arm, _), replicates in by_cell(plan).items():
        runs = [one.run for of_seed in replicates.values() for one in of_seed]
        shapes = {run.network.begun_as() for run in runs}
        combinations = {
            (run.network.begun_as(), run.recipe.model_copy(update={"gain": 1.0})) for run in runs
        }
        assert len(combinations) <= COMBINATIONS
        assert {run.network.begun_as() for run in runs if run.seed == 0} == shapes
        assert len({run.recipe.gain for run in runs}) > COMBINATIONS, arm
    sizes = sorted(map(len, plan.packs))
    assert (sizes[0], sizes[len(sizes) // 2], sizes[-1]) == (3, 9, 18)
    assert max(map(len, planned().packs)) == 1  # the compiled engine trains one at a time
    assert len(plan.packs) <= 8 * COMBINATIONS
    assert sorted(run for pack in plan.packs for run in pack) == sorted(plan.run_ids())
    assert packs_of(plan.runs, "cpu") == plan.packs


def of_clock(seconds_an_evaluation):
    """A machine on which an evaluation of a parameter takes so long."""
    return lambda run: (
        run.recipe.max_evaluations
        * seconds_an_evaluation
        * count_of(run.network, "params.trainable")
    )


def test_a_cap_in_seconds_is_turned_into_evaluations():
    text = TEXT.replace("{flops_train.shared_dense: 5.0e+7}", "{seconds: 0.5}")
    plan = make_plan(parse_experiment(text, "which.yaml"), "which", seconds_of=of_clock(1e-4))
    for one in plan.runs:
        each = 1e-4 * count_of(one.run.network, "params.trainable")
        assert one.run.recipe.max_evaluations == int(0.5 / each * (1 + 1e-12))
    assert "a cap in seconds needs a machine that was timed; `harness bench`" in refused(
        planned, text
    )


def test_what_was_timed_is_frozen_with_the_plan(tmp_path):
    text = TEXT.replace("{flops_train.shared_dense: 5.0e+7}", "{seconds: 0.5}")

    def timed(text, seconds):
        plan = make_plan(
            parse_experiment(text, "which.yaml"), "which", seconds_of=of_clock(seconds)
        )
        return plan.model_copy(update={"timed_on": ("node, Xeon, 2026-11-29",)})

    first = freeze(timed(text, 1e-4), tmp_path)
    assert timed(text, 2e-4).run_ids() != first.run_ids()
    assert freeze(timed(text, 2e-4), tmp_path) == first == read_manifest(tmp_path)
    assert "differs in: search" in refused(
        freeze, timed(text.replace("0.5", "2.5"), 1e-4), tmp_path
    )
