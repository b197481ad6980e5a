"""What a command changes of a file: `--set path=value`, in a folder of its own; no wide MLPs, and
fewer seeds.
"""

import pytest
from commands import said

from harness.base.errors import HarnessError
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment, read_experiment
from harness.spec.run import content_hash
from harness.spec.setting import Narrow, narrow_words, narrowed, settings_of, settings_words
from harness.study.folders import StudyFile

TEXT = """question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast}
match: {axis: params, at: [30, 60], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 5}}
seeds: [0, 1]
grid: {recipes.fast.gain: [1, 2]}
scales: {short: {seeds: [0], match.at: [30]}}
"""


@pytest.fixture
def file(here):
    (here / "toy.yaml").write_text(TEXT, encoding="utf-8")
    return here / "toy.yaml"


def test_a_set_value_is_the_file_with_that_value(file):
    written = parse_experiment(
        TEXT.replace("at: [30, 60]", "at: [30, 90]").replace("depth: 2", "depth: 3")
    )
    set_here = settings_of(["match.at=[1]", "arms.mlp.architecture.depth=3", "match.at=[30, 90]"])
    assert content_hash(read_experiment(file, settings=set_here)) == content_hash(written)
    assert read_experiment(file, "short", settings_of(["seeds=[7]"])).seeds == (7,)
    assert read_experiment(file, "short", settings_of(["seeds=[7]"])).match.at == (30,)
    assert (
        read_experiment(file, settings=settings_of(["tasks.0={target: xy, train_points: 50}"]))
        .tasks[0]
        .name
        == "xy"
    )


def test_folders_say_what_is_set(file, tmp_path):
    one, other = (
        settings_of(["seeds=[5]", "match.at=[30, 60]"]),
        settings_of(["match.at=[30,60]", "seeds=[5]"]),
    )
    assert (
        StudyFile(file, tmp_path, settings=one).folder
        == StudyFile(file, tmp_path, settings=other).folder
    )
    assert StudyFile(file, tmp_path, "short", one).folder.name == "toy-short+match.at=30_60+seeds=5"
    assert StudyFile(file, tmp_path).folder.name == "toy"
    assert settings_words(settings_of([f"question={'why ' * 40}"])).startswith("+set=")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("seeds", r"`settings` seeds: write PATH=VALUE, such as 'match.at=\[60, 120\]'"),
        ("mach.at=[30]", r"`settings` mach.at: the file has no 'mach'; did you mean 'match'"),
        (
            "arms.kna.recipe=fast",
            r"`settings` arms.kna.recipe: arms has no 'kna'; did you mean 'kan'. .allowed: kan",
        ),
        ("match.att=[30]", "`settings` match.att: match.att: unknown field; did you mean 'at'"),
        ("match.at=[ten]", r'`settings` match.at: match.at.0="ten": '),
        ("match.at=30", r"`settings` match.at: match.at=30: a list is expected; write \[30\]"),
        (
            "tasks.0.train_points=9",
            '`settings` tasks.0.train_points: tasks.0 is "exp2d", which has no fields',
        ),
        ("tasks.4=xy", "`settings` tasks.4: tasks is a list; give 0 in place of '4'"),
        ("seeds=[1", r"`settings` seeds:1: not YAML"),
        (
            "recipes.fast.gain=3",
            "`settings` recipes.fast.gain: grid: of the file varies this field",
        ),
    ],
)
def test_a_wrong_path_or_value_is_named_with_what_is_there(file, text, wrong):
    with pytest.raises(HarnessError, match=wrong):
        read_experiment(file, settings=settings_of([text]))


def test_commands_take_it_and_leave_the_plan_of_the_file_alone(file, tmp_path):
    for options in ((), ("--set", "seeds=[4, 5, 6]"), ("--set", "seeds=[4, 5, 6]")):
        said("plan", "toy.yaml", *options)
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"toy", "toy+seeds=4_5_6"}
    assert '"runs": 8' in said("validate", "toy.yaml", "--set", "seeds=[4]", "--json")
    wrong = said("validate", "toy.yaml", "--set", "seed=4", exit_code=2)
    assert "--set seed: seed: unknown field; did you mean 'seeds'" in wrong


SIZED = """
question: which?
tasks: [j0]
arms:
  kan: {architecture: {family: kan, hidden: [200]}, recipe: fast, sizes: {grid: [3, 500]}}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast, sizes: {width: [5, 20, 100]}}
  tapered: {architecture: {family: mlp}, recipe: fast, sizes: {hidden: [[5], [5, 5], [5, 100]]}}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10}
seeds: [3, 1, 2]
"""
IN_STEP = (
    SIZED.replace("tasks: [j0]\n", "")
    .replace("sizes: {width: [5, 20, 100]}", "sizes: {width: [1]}")
    .replace("seeds:", "zip: {tasks: [j0, xy], arms.mlp.sizes.width: [[5, 200], [10, 20]]}\nseeds:")
    .replace("question:", "tasks: [j0]\nquestion:")
)


def shapes(text: str, narrow: Narrow) -> set[tuple[str, tuple[int, ...], int]]:
    plan = make_plan(narrowed(parse_experiment(text), narrow)[0], "test")
    return {(run.run.task.target, run.run.network.shape, run.run.seed) for run in plan.runs}


def test_what_is_left_is_the_part_of_the_plan_within_the_bounds():
    whole = shapes(SIZED, Narrow())
    assert shapes(SIZED, Narrow(20, 2)) == {
        (task, shape, seed)
        for task, shape, seed in whole
        if seed in (3, 1) and (shape == (1, 200, 1) or max(shape) <= 20)
    }


def test_sizes_in_step_with_tasks_are_filtered_row_by_row():
    mlps = {
        (task, shape)
        for task, shape, _ in shapes(IN_STEP, Narrow(20))
        if shape[1:-1] in {(5,), (10,), (20,)}
    }
    assert {one for one in mlps if one[1][1] != 5} == {("xy", (2, 10, 1)), ("xy", (2, 20, 1))}
    assert ("j0", (1, 5, 1)) in mlps
    assert all(
        max(shape) in (200,) or max(shape) <= 20 for _, shape, _ in shapes(IN_STEP, Narrow(20))
    )


def test_what_changed_is_told_by_path():
    _, changes = narrowed(parse_experiment(SIZED), Narrow(20, 1))
    assert changes == {
        "arms.mlp.sizes.width": [5, 20],
        "arms.tapered.sizes.hidden": [[5], [5, 5]],
        "seeds": [3],
    }
    assert narrow_words(Narrow(20, 1)) == "-width-20-seeds-1"


ONLY_KANS = SIZED[: SIZED.index("  mlp:")] + SIZED[SIZED.index("recipes:") :]


@pytest.mark.parametrize(
    ("text", "narrow", "said"),
    [
        (
            SIZED,
            Narrow(4),
            (
                r"`max_width` 4: nothing is left of arms.mlp.sizes.width: \[5, 20, 100\]; give "
                r"at least 5"
            ),
        ),
        (SIZED, Narrow(100), "`max_width` 100: no MLP is wider than 100; leave it out"),
        (SIZED, Narrow(None, 3), "`seeds` 3: there are 3; give fewer, or leave it out"),
        (ONLY_KANS, Narrow(10), "no MLP of this experiment lists its widths"),
    ],
)
def test_narrowing_that_leaves_nothing_or_changes_nothing_is_an_error(text, narrow, said):
    with pytest.raises(HarnessError, match=said):
        narrowed(parse_experiment(text), narrow)
