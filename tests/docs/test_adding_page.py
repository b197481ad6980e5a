"""docs/adding.md is true: what it shows, written to files as it says, runs and is matched."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import json_of, said
from made_records import recorded_table
from pages import forget_own_modules, write_files

from harness import train
from harness.base.errors import HarnessError
from harness.count import WEIGHTS
from harness.count.dispatched import executed_evaluation, executed_forward
from harness.dispatch.submission import named_code
from harness.families import family_named, forward, initialise, residual_jacobian
from harness.nn.trained import TrainedNetwork
from harness.planning.plan import make_plan
from harness.record.networks import read_network
from harness.record.store import read_record, record_path
from harness.spec.read import parse_experiment
from harness.tasks import draw
from tests.train.packs import numbers, trained_in_pieces


@pytest.fixture
def folder(here, monkeypatch):
    write_files("docs/adding.md", here)
    monkeypatch.syspath_prepend(str(here))
    forget_own_modules()
    return here


def test_a_module_is_planned(folder):
    said("plan", "ripples.yaml")
    manifest = json.loads((folder / "results" / "ripples" / "manifest.json").read_text("utf-8"))
    assert len(manifest["runs"]) == 36
    assert {planned["run"]["network"]["family"] for planned in manifest["runs"]} == {
        "module",
        "kan",
    }
    assert all(abs(cell["residual"]) <= 0.05 for cell in manifest["cells"])
    source = (folder / "my_networks.py").read_text("utf-8")
    (folder / "my_networks.py").write_text(source + "\n# edited", encoding="utf-8")
    assert "holds another plan" in said("run", "ripples.yaml", exit_code=2)


def test_a_module_is_matched_on_the_command_line(folder):
    arms = ["--arm", "module module=my_networks:SineNet size=width", "--arm", "mlp depth=2"]
    found = json_of("match", *arms, "--inputs", "2", "--at", "401")["arms"]
    assert [one["counts"]["params.trainable"] for one in found] == [401, 401]
    assert found[0]["solved"] == {"width": 100}


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("file", "own", "words"),
    [
        ("bumps", "my_families:BumpKan", "bump KAN 2–5–1, G = 5"),
        ("momentum", "my_optimisers:Momentum", "gradient descent with momentum"),
    ],
)
def test_code_of_the_page_goes_from_plan_to_verdict(folder, file, own, words):
    said("run", f"{file}.yaml", "--workers", "1")
    (answer,) = json_of("verdicts", f"{file}.yaml")["experiments"]
    records = [
        json.loads(path.read_text("utf-8")) for path in (folder / "results" / "runs").glob("*.json")
    ]
    runs = [record["run"] for record in records]
    of_page = [
        run for run in runs if own in (run["network"]["family"], run["recipe"]["optimizer"]["name"])
    ]
    sources = [
        run["network"].get("source") or run["recipe"]["optimizer"]["source"] for run in of_page
    ]
    assert answer["runs"] == len(records) == 2 * len(of_page) == 12
    assert answer["verdicts"][0]["verdict"] in ("supported", "refuted", "equal", "open")
    assert {source[:7] for source in sources} == {"sha256 "}
    assert {run["engine"] for run in of_page} == {"torch"}
    assert words in (folder / "results" / file / "report.html").read_text("utf-8")
    for record in records:
        if record["run"]["recipe"]["optimizer"]["name"] == "my_optimisers:Momentum":
            assert (
                record["counts"]["flops_train.part_optimizer"]
                == 4 * record["counts"]["params.trainable"] * 50
            )


def test_a_loss_and_an_observation_of_the_page_are_trained_recorded_and_told(folder):
    plan = make_plan(parse_experiment((folder / "steps.yaml").read_text("utf-8")), "steps")
    runs = {planned.run_id: planned.run for planned in plan.runs}
    records = [
        record
        for pack in plan.packs
        for record in train.train_pack(
            [runs[identity] for identity in pack], folder / "runs", networks=folder / "kept"
        )
    ]
    assert {(run.engine, run.task.metric) for run in runs.values()} == {("torch", "huber")}
    for record in records:
        assert read_record(record_path(folder / "runs", record.run_id)) == record
        test = draw(record.run.task, record.run.seed).test
        outputs = TrainedNetwork(record, read_network(folder / "kept", record.run_id))(
            test.x
        ).detach()
        huber = torch.nn.functional.huber_loss(outputs, torch.from_numpy(test.y), delta=0.05)
        far_off = (np.abs(outputs.numpy() - test.y) > 0.1).mean()
        assert record.metrics.losses.test == pytest.approx(huber.item(), rel=1e-9)
        assert record.metrics.observed == {"far_off": pytest.approx(far_off, abs=1e-12)}
        last = record.curve[-1].train_loss
        assert last == pytest.approx(
            record.metrics.losses.train, rel=1e-12
        )  # torch sums in another order
        assert last < record.curve[0].train_loss
        assert record.curve[-1].observed == record.metrics.observed
    table = recorded_table(plan, folder / "runs")
    assert set(table["metric"]) == {"huber"}
    assert list(table["observed.far_off"]) == [
        next(one for one in records if one.run_id == name).metrics.observed["far_off"]
        for name in table["run_id"]
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{name: lbfgs}", "{name: levenberg_marquardt}", "is no sum of squares; use lbfgs or adam"),
        (
            "max_evaluations: 20",
            "max_evaluations: 20, phases: 2",
            "a loss of a task's own is learnt without",
        ),
        (
            "seeds:",
            "engine: fused\nseeds:",
            "fused has no kernels of its loss, by which my_losses:steps",
        ),
    ],
)
def test_what_cannot_learn_by_a_loss_of_ones_own_is_named(folder, old, new, words):
    text = (folder / "steps.yaml").read_text("utf-8").replace(old, new)
    with pytest.raises(HarnessError, match=words):
        make_plan(parse_experiment(text), "steps")


@pytest.mark.parametrize("tasks", ["{squares}, {own}", "{own}, {squares}"])
def test_an_optimiser_that_a_search_may_draw_is_refused_if_one_task_cannot_be_learnt_by_it(
    folder, tasks
):
    text = (folder / "steps.yaml").read_text("utf-8").partition("seeds:")[0]
    own = text.partition("tasks: [")[2].partition("]")[0]
    both = tasks.format(own=own, squares=own.replace('"my_losses:steps", inputs: 2', "xy"))
    text = text.replace(own, both).replace(
        "recipe: lbfgs}\n  kan", "recipe: lbfgs, space: {recipe: [lbfgs, lm]}}\n  kan"
    )
    text += "  lm: {optimizer: {name: levenberg_marquardt}, max_evaluations: 20}\n"
    experiment = parse_experiment(
        text + "search: {runs: 2, replicates: 2, cap: {evaluations: 20}}\n"
    )
    with pytest.raises(HarnessError, match="is no sum of squares"):
        make_plan(experiment, "steps")


def test_a_function_with_a_loss_of_its_own_can_be_started_with(folder):
    said("new", "started", "--function", "my_losses:steps", "--inputs", "2")
    assert "valid" in said("validate", "started.yaml")


def test_a_loss_that_mixes_points_is_refused(folder):
    source = (folder / "my_losses.py").read_text("utf-8")
    (folder / "my_losses.py").write_text(
        source.replace("(outputs_RNO - y_RNO).abs()", "(outputs_RNO - y_RNO).abs().cumsum(1)"),
        "utf-8",
    )
    with pytest.raises(
        HarnessError, match="loss huber: a point must add one finite number, by itself"
    ):
        make_plan(parse_experiment((folder / "steps.yaml").read_text("utf-8")), "steps")


def test_an_optimiser_of_before_is_still_one(folder):
    """A class may say `tunable`, as it had to: its text is in ids of runs, so that no user can take
    the line out.
    """
    file = folder / "my_optimisers.py"
    source = file.read_text("utf-8")
    assert "    timing = ()" in source
    file.write_text(
        source.replace("    timing = ()", '    tunable = ("momentum",)\n    timing = ()'),
        encoding="utf-8",
    )
    assert "valid" in said("validate", "momentum.yaml")


def test_the_optimiser_goes_on_from_a_checkpoint_and_keeps_learning_rates_apart(
    folder, monkeypatch
):
    text = (folder / "momentum.yaml").read_text("utf-8")
    moving = "max_evaluations: 50, grid_updates: {every: 20, until: 50}}\n  adam:"
    rates = ", ".join(
        f"recipes.{name}.optimizer.learning_rate: [0.01, 0.02]" for name in ("momentum", "adam")
    )
    varied = (
        text.replace("max_evaluations: 50}\n  adam:", moving) + f"engine: torch\nzip: {{{rates}}}\n"
    )
    manifest = make_plan(parse_experiment(varied), "momentum")
    runs = {planned.run_id: planned.run for planned in manifest.runs}
    assert named_code(runs.values()) == ["exp2d", "my_optimisers:Momentum"]
    packs = [[runs[identity] for identity in pack] for pack in manifest.packs]
    own = [pack for pack in packs if pack[0].recipe.optimizer.name != "adam"]
    assert {len({run.recipe.optimizer.learning_rate for run in pack}) for pack in own} == {1}
    assert {
        len({run.recipe.optimizer.learning_rate for run in pack})
        for pack in packs
        if pack not in own
    } == {2}

    through = train.train_pack(own[0], folder / "through")
    stopped, stops = trained_in_pieces(own[0], folder, monkeypatch)
    assert stops > 10
    assert list(map(numbers, stopped)) == list(map(numbers, through))


def test_an_optimiser_of_the_penalised_part_is_checked_and_sent_with_jobs(folder):
    text = (folder / "momentum.yaml").read_text("utf-8")
    own = 'optimizer: {name: "my_optimisers:Momentum"}'
    penalty = f"sparsity: {{strength: 0.01, evaluations: 20, {own}}}"
    sparse = f"  sparse: {{optimizer: {{name: adam}}, max_evaluations: 40, {penalty}}}\n"
    text = text.replace("recipes:\n", f"recipes:\n{sparse}").replace(
        "recipe: momentum", "recipe: sparse"
    )
    manifest = make_plan(parse_experiment(text), "sparse")
    assert named_code(planned.run for planned in manifest.runs) == [
        "exp2d",
        "my_optimisers:Momentum",
    ]
    page = (folder / "my_optimisers.py").read_text("utf-8")
    stuck = page.replace("my_optimisers:", "my_stuck:").replace(
        "state.position_RP + velocity_RP", "state.position_RP"
    )
    (folder / "my_stuck.py").write_text(stuck, encoding="utf-8")
    with pytest.raises(
        HarnessError, match=r"recipes.sparse.sparsity.optimizer.*leave position_RP where it was"
    ):
        make_plan(parse_experiment(text.replace("my_optimisers:", "my_stuck:")), "sparse")


# Of a page, what its file or its experiment says in place of what, and what is said of that.
NOT_GIVEN = "add what `harness/optimisers/base.py` asks for"
GRID, LANES = (
    "    grid: PositiveInt | None = None",
    "choose(moving_R, velocity_RP, state.velocity_RP)",
)
DRAWN, ANOTHER = (
    "generator.standard_normal(shape)",
    "np.random.default_rng().standard_normal(shape)",
)
IN_THE_EXPERIMENT = {
    "bumps.yaml": [
        (":BumpKan", ":BmpKan", "did you mean 'BumpKan'?"),
        ('BumpKan", hidden', 'BumpKan", hiden', "hiden: unknown field; did you mean 'hidden'?"),
        ("my_families:", "my_lacking:", "does not give expansion_backward; add what"),
        (
            "my_families:",
            "my_others:",
            'BumpKan is of another one; write `family: Literal["my_others:BumpKan"]`',
        ),
    ],
    "momentum.yaml": [
        (":Momentum", ":Momentun", "did you mean 'Momentum'?"),
        ("momentum: 0.8", "momentun: 0.8", "momentun: unknown field; did you mean 'momentum'?"),
        ("momentum: 0.8", "momentum: 1.5", "less than 1"),
        ("my_optimisers:", "my_lacking:", f"does not give title, tell; {NOT_GIVEN}"),
        (
            "my_optimisers:",
            "my_others:",
            'is of another one; write `name: Literal["my_others:Momentum"]`',
        ),
        (
            "seeds:",
            "engine: fused\nseeds:",
            "engine: fused has no compiled loop of optimizer: my_optimisers:Momentum",
        ),
    ],
}
IN_THE_CODE = {
    "my_families": [
        ('title = "bump KAN"', '# title = "bump KAN"', "does not give title; add what"),
        (
            'sizes = ("grid",)',
            'sizes = ("bumps",)',
            "sizes names 'bumps'; a size that is solved for is grid, degree",
        ),
        (GRID, f"{GRID}\n    wide: int = 1", "'wide' is no field"),
        (' = "my_families:BumpKan"', "", "field 'family' of BumpKanShape has no default"),
        (
            '    family: Literal["my_families:BumpKan"] = "my_families:BumpKan"\n',
            "",
            "has no field 'family'",
        ),
        (
            'scaled = ("coef",)',
            'scaled = ("coeff",)',
            "scaled names 'coeff', but its parameters are coef",
        ),
        (
            "return self.grid  # of one",
            "return self.gird  # of one",
            "AttributeError: 'BumpKanShape' object has no",
        ),
        ("return self.grid  # of one", "return self.grid + 1  # of one", "RuntimeError: "),
        (DRAWN, ANOTHER, "from the same generator"),
        (DRAWN, "generator.standard_normal(shape[::-1])", "draw gives [5, "),
        (
            "(1 + u_RIGN.square())",
            "(1 + (u_RIGN - u_RIGN.mean(-1, True)).square())",
            "depends on the other points",
        ),
        (
            "(1 + u_RIGN.square())",
            "(1 + (u_RIGN - u_RIGN.mean(0)).square())",
            "depend on the other lanes",
        ),
        (
            "return 5 * self.grid",
            "return 6 * self.grid",
            "FLOPs for a forward pass of one point, but torch executes",
        ),
        ("return 5 * self.grid", "return -5 * self.grid", "give an integer of 0 or more"),
        ("return 5 * self.grid", "return 5.5 * self.grid", "give an integer of 0 or more"),
        ("return 5 * self.grid", 'return prices["log"] * self.grid', "KeyError: 'log'"),
        (
            "return 7 * self.grid",
            "return 8 * self.grid",
            "FLOPs for a forward and backward pass of one point",
        ),
    ],
    "my_optimisers": [
        (
            "state.evaluations_R + running_R",
            "state.evaluations_R",
            "evaluations_R is [0, 0] after 1 evaluations",
        ),
        (
            "learning_rate * gradient_RP",
            "learning_rate * gradient_RP.mean(0)",
            "a lane depends on the lane beside it",
        ),
        ("state.position_RP + velocity_RP", "state.position_RP", "leave position_RP where it was"),
        ("@dataclass(frozen=True)", "", "TypeError: "),
        (LANES, "0.5", "tell changes velocity_RP of the state, which is no"),
    ],
}
FILES = {"my_families": "bumps.yaml", "my_optimisers": "momentum.yaml"}
# Copies of a page's file that lack something, or say the name of another one.
LACKING = {
    "my_families": {"def expansion_backward": "def backwards"},
    "my_optimisers": {"def tell": "def told", "title =": "# title ="},
}


def refused(file: str, text: str, words: str) -> None:
    Path(file).write_text(text, encoding="utf-8")
    assert words in said("validate", file, exit_code=2)


@pytest.mark.parametrize("module", FILES)
def test_what_is_wrong_with_an_experiment_is_said(folder, module):
    file = FILES[module]
    text, page = (folder / file).read_text("utf-8"), (folder / f"{module}.py").read_text("utf-8")
    (folder / "my_others.py").write_text(page, encoding="utf-8")
    lacking = page.replace(f"{module}:", "my_lacking:")
    for old, new in LACKING[module].items():
        lacking = lacking.replace(old, new)
    (folder / "my_lacking.py").write_text(lacking, encoding="utf-8")
    for old, new, words in IN_THE_EXPERIMENT[file]:
        assert text.count(old) == 1
        refused(file, text.replace(old, new), words)


@pytest.mark.parametrize("module", FILES)
def test_code_is_tried_before_anything_is_planned(folder, module):
    file = FILES[module]
    text, page = (folder / file).read_text("utf-8"), (folder / f"{module}.py").read_text("utf-8")
    for number, (old, new, words) in enumerate(IN_THE_CODE[module]):
        assert page.count(old) == 1
        own = f"my_mistake_{number}_in_{module}"
        code = "import numpy as np\n" + page.replace(old, new).replace(f"{module}:", f"{own}:")
        (folder / f"{own}.py").write_text(code, encoding="utf-8")
        refused(file, text.replace(f"{module}:", f"{own}:"), words)


def test_the_family_counts_what_torch_executes(folder):
    family = family_named("my_families:BumpKan")
    for shape in ((1, 1), (2, 5, 1), (2, 3, 4, 2)):
        for grid in (1, 2, 5):
            network = family.network(shape=shape, grid=grid)
            assert network.executed_forward(WEIGHTS["kanbefair"]) == executed_forward(network).flops
            assert (
                network.executed_evaluation(WEIGHTS["kanbefair"])
                == executed_evaluation(network).flops
            )
    flat = initialise(network, [np.random.default_rng(0)], 1.0, torch.float64, "cpu")
    x = torch.linspace(-1, 1, 14, dtype=torch.float64).reshape(1, 7, 2)
    by_hand = residual_jacobian(network, flat, [], x)[1][0]
    by_autograd = torch.autograd.functional.jacobian(
        lambda values: forward(network, values, [], x)[0].T.ravel(), flat
    )
    assert (by_hand - by_autograd[:, 0]).abs().max() < 1e-13


def test_fields_that_are_in_both_classes_of_a_family_are_passed_on(folder):
    page = (folder / "my_families.py").read_text("utf-8").replace("my_families:", "my_ranges:")
    page = page.replace(GRID, f"    low: float = -2.0\n{GRID}")
    docstring = re.search(r'class BumpKanShape.*?""".*?"""', page, flags=re.DOTALL)[0]
    page = page.replace(docstring, f"{docstring}\n\n    low: float = -2.0\n    power: int = 2")
    (folder / "my_ranges.py").write_text(page, encoding="utf-8")
    text = (folder / "bumps.yaml").read_text("utf-8").replace("my_families:", "my_ranges:")
    text = text.replace('BumpKan", hidden', 'BumpKan", low: -5.0, hidden')
    networks = [planned.run.network for planned in make_plan(parse_experiment(text), "ranges").runs]
    own = {
        (network.low, network.power)
        for network in networks
        if network.family == "my_ranges:BumpKan"
    }
    assert own == {(-5.0, 2)}
