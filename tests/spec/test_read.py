"""Experiment files: what YAML means, what is an error, and what the error says."""

import json

import pytest
from commands import invoke, refused, said

from harness.paper.replay import REPLAYS
from harness.spec.experiment import Experiment
from harness.spec.read import experiment_schema, parse_experiment, variants
from harness.study.folders import full_name

VALID = """
question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [5]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: adam}
match: {axis: params, at: [100, 1000], tol: 0.2, solve: {kan: grid, mlp: width}}
recipes:
  adam: {optimizer: {name: adam, learning_rate: 1e-3}, max_evaluations: 10}
seeds: [0]
"""
RULE = "{claim: c, quantity: test_loss, sides: [kan, mlp], threshold: one, at_least: 1}"


def _error(text: str) -> str:
    return refused(parse_experiment, text, "file.yaml")


def test_values_are_those_of_yaml_1_2():
    """1e-3 is a number and 010 is ten; on, no and 1:30 are words, which readers of 1.1 take for
    something else.
    """
    experiment = parse_experiment(VALID.replace("seeds: [0]", "seeds: [010]"))
    assert experiment.recipes["adam"].optimizer.learning_rate == 0.001
    assert experiment.seeds == (10,)
    for word in ("on", "no", "off", "yes", "y", "n", "1:30"):
        assert parse_experiment(VALID.replace("which?", word)).question == word


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "hidden: [5]",
            "hiden: [5]",
            "file.yaml:5: arms.kan.architecture.hiden: unknown field; did you mean",
        ),
        (
            "family: kan",
            "family: kam",
            "file.yaml:5: arms.kan.architecture.family=\"kam\": did you mean 'kan'?",
        ),
        (
            "axis: params",
            "axis: parms",
            "file.yaml:7: match.axis=\"parms\": did you mean 'params'?",
        ),
        (
            "mlp: width",
            "mlp: widht",
            "file.yaml:7: match.solve.mlp=\"widht\": did you mean 'width'?",
        ),
        (
            "recipe: adam}\n  mlp",
            "recipe: adm}\n  mlp",
            "arms.kan.recipe: 'adm' is not defined; did you mean 'adam'?",
        ),
        ("{kan: grid", "{knn: grid", "match.solve: 'knn' is not defined; did you mean 'kan'?"),
        ("seeds: [0]\n", "", "file.yaml: seeds: missing; add it"),
        ("seeds: [0]", "seeds: [0]\nseeds: [1]", "file.yaml:11: seeds is given twice"),
        ("seeds: [0]", "seeds: []", "file.yaml:10: seeds=[]: give at least 1"),
        ("seeds: [0]", "seeds: [0, 1, 0]", "seeds: [0] given more than once"),
        ("[exp2d]", "[exp2d, xy, exp2d]", "tasks: exp2d given more than once"),
        ("seeds: [0]", "seeds: [0.5]", "file.yaml:10: seeds.0=0.5: a whole number is expected"),
        (
            "seeds: [0]",
            "seeds: [zero]",
            'file.yaml:10: seeds.0="zero": a whole number is expected; write 0',
        ),
        ("seeds: [0]", "seeds: 0", "seeds=0: a list is expected; write [0, 1, 2] for three seeds"),
        (
            "at: [100, 1000]",
            "at: '24, 36, 54'",
            'match.at="24, 36, 54": a list is expected; write [24, 36, 54]',
        ),
        ("question: which?\n", "", "file.yaml: question: missing; add it"),
        (
            "max_evaluations: 10",
            "max_evaluations: 0",
            "recipes.adam.max_evaluations=0: input should be greater than 0",
        ),
        (
            "learning_rate: 1e-3",
            "learning_rate: .nan",
            "file.yaml:9: recipes.adam.optimizer.learning_rate: .nan is",
        ),
        (
            "depth: 3",
            "depth: 3, omega_0: 10",
            "arms.mlp.architecture.omega_0=10: it is the frequency of activation:",
        ),
        (
            "depth: 3",
            "depth: 3, omega_0: 30",
            "omega_0=30: it is the frequency of activation: sine",
        ),
        (
            "depth: 3",
            "depth: 3, features_sigma: 2",
            "arms.mlp.architecture.features_sigma=2: it is of Fourier",
        ),
        (
            "depth: 3",
            "depth: 3, features: 0",
            "arms.mlp.architecture.features=0: input should be greater than 0",
        ),
        (
            "depth: 3",
            "depth: 3, features: 8, features_sigma: 0",
            "arms.mlp.architecture.features_sigma=0: input",
        ),
        (
            "depth: 3",
            "depth: 3, activation: sine, omega_0: -1",
            "arms.mlp.architecture.omega_0=-1: input should be",
        ),
        ("tol: 0.2", "tol: 2", "match.tol=2: input should be less than 1"),
        (
            "seeds: [0]",
            "seeds: [0]\nzip: {tasks: [xy, j0], match.tol: [0.1]}",
            "zip: the lists must be equally long",
        ),
        (
            "seeds: [0]",
            "seeds: [0]\ngrid: {arms.kan.architecture.gird: [3]}",
            "gird: unknown field; did you mean",
        ),
        (
            "tol: 0.2",
            "convention: shared_dense",
            "match.convention=shared_dense does not count params",
        ),
        ("seeds: [0]", "seeds: [0", "file.yaml:10: not YAML: this [ is not closed"),
        ("tol: 0.2", "tol: 25%", 'match.tol="25%": a number is expected; write 0.25'),
        (
            "seeds: [0]",
            f"seeds: [0]\ndecide: [{RULE}]",
            'threshold="one": a number is expected; write 1',
        ),
        (
            "evaluations: 10",
            "evaluations: 1k",
            'max_evaluations="1k": a whole number is expected; write 1000',
        ),
        (
            "[exp2d]",
            "[{target: exp2d, train_points: 5e2}]",
            "points=500.0: a whole number is expected; write 500",
        ),
        ("which?", "KAN: or", 'a colon stands within a text; quote it, question: "KAN: or"'),
        ("family: mlp", "family: MLP", "family=\"MLP\": did you mean 'mlp'"),
        (
            "hidden: [5]",
            "hidden: [5], order: [0, 3]",
            "write grid: {arms.kan.architecture.order: [0, 3]}",
        ),
        ("[100, 1000]", "[100, many]", 'match.at.1="many": a number is expected'),
    ],
)
def test_a_mistake_is_named_with_its_path_value_and_remedy(old, new, said):
    assert said in _error(VALID.replace(old, new)).splitlines()[0]


def test_every_mistake_has_a_line():
    text = (
        VALID.replace("hidden: [5]", "hiden: [5]")
        .replace("axis: params", "axis: parms")
        .replace("[0]", "[]")
    )
    assert len(_error(text).splitlines()) == 3


@pytest.mark.parametrize("text", ["", "[]", "just words"])
def test_a_file_that_is_no_mapping_is_refused(text):
    assert "fields such as question:" in _error(text)


def test_grid_and_zip_axes_make_variants():
    text = VALID.replace("tasks: [exp2d]\n", "").replace("at: [100, 1000], ", "") + (
        "grid: {arms.kan.architecture.order: [2, 3]}\nzip: {tasks: [exp2d, xy], match.at: [[100], "
        "[200]]}\n"
    )
    found = [
        (one.tasks[0].target, one.match.at, one.arms["kan"].architecture.order)
        for _, one in variants(parse_experiment(text))
    ]
    expected = [("exp2d", (100,), 2), ("xy", (200,), 2), ("exp2d", (100,), 3), ("xy", (200,), 3)]
    assert found == expected


def test_a_scale_is_the_file_with_what_it_changes():
    text = VALID + "scales: {short: {seeds: [7], arms.kan.architecture.order: 2}}\n"
    full, short = parse_experiment(text), parse_experiment(text, scale="short")
    assert full == parse_experiment(VALID)
    assert (short.seeds, short.arms["kan"].architecture.order) == ((7,), 2)
    assert short.arms["mlp"] == full.arms["mlp"]
    of_item = VALID.replace("seeds: [0]", "seeds: [0, 1, 2]") + "scales: {short: {seeds.1: 7}}\n"
    assert parse_experiment(of_item, scale="short").seeds == (0, 7, 2)


def test_what_an_alias_repeats_is_changed_alone():
    text = VALID.replace("optimizer: {", "optimizer: &same {")
    text = text.replace("seeds:", "  other: {optimizer: *same, max_evaluations: 10}\nseeds:")
    short = parse_experiment(
        text + "scales: {short: {recipes.other.optimizer.learning_rate: 0.5}}\n", scale="short"
    )
    rates = {name: recipe.optimizer.learning_rate for name, recipe in short.recipes.items()}
    assert rates == {"adam": 0.001, "other": 0.5}


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        (
            "{short: {seeds: [7]}}",
            "`scale` shrot: <text> has no such scale; did you mean 'short'? (allowed: full,",
        ),
        ("{shrot: {seed: [7]}}", "<text>:11: seed: unknown field; did you mean 'seeds'?"),
        (
            "{shrot: {seeds.first: 7}}",
            "<text>:11: scales.shrot.seeds.first: seeds is a list; give 0 in place of",
        ),
        ("{shrot: {seeds.1: 7}}", "seeds is a list; give 0 in place of '1'"),
        (
            "{shrot: {question.first: 7}}",
            "<text>:11: scales.shrot.question.first: question has no fields",
        ),
        ("{full: {seeds: [7]}}", "<text>:11: scales.full is the file as it stands"),
        ("[short]", "<text>:11: scales: expected names with what each changes"),
    ],
)
def test_a_scale_that_is_not_there_or_changes_nothing_known_is_named(scales, said):
    assert said in refused(parse_experiment, VALID + f"scales: {scales}\n", scale="shrot")


def test_the_schema_accepts_what_the_reader_accepts():
    schema = experiment_schema()
    assert set(schema["properties"]) == {*Experiment.model_fields, "scales"}
    references = {part.split('"')[0] for part in json.dumps(schema).split('"#/$defs/')[1:]}
    assert references <= set(schema["$defs"])


def test_experiments_can_be_built_in_python():
    read = parse_experiment(VALID)
    assert Experiment(**read.model_dump(exclude_unset=True)) == read


def test_experiments_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        parse_experiment(VALID).question = "another"


def test_on_the_command_line(here):
    (here / "q.yaml").write_text(VALID)
    (here / "d.csv").write_text("params;rmse\n10;0,5\n20;0,3\n")
    for command, wrong in {
        "run q.yaml --workers two": "'two' is no whole number; write 2",
        "run q.yaml --workers 1e1": "'1e1' is no whole number; write 10",
        "run q.yaml --worker 2": "No such option '--worker'. Did you mean '--workers'?",
        "plan q.yaml --set match.tol=[4e8]": "match.tol=[4e8]: a number is expected",
        "run .": ".: Is a directory; give the path of an experiment file",
        "run q.yml": "q.yml: No such file or directory; did you mean q.yaml?",
        "logs abc q.yaml": "abc: the file comes first, q.yaml abc",
        "train q.yaml": "train: no such command; did you mean run?",
        (
            "fit d.csv --x params --y rmse"
        ): "not a number. Write 0.5 for 0,5, or choose rows with --where",
    }.items():
        assert wrong in said(*command.split(), exit_code=2)
    assert invoke("validate", "quickstart").exit_code == 0


def test_a_figure_as_people_write_it():
    for written, name in (
        ("Fig 3.1", "fig3_1_toy_scaling"),
        ("Table 1", "table1_special_functions"),
    ):
        assert full_name(written, REPLAYS, "{}") == full_name(name, REPLAYS, "{}") == name
    assert full_name("Figure 2.3", REPLAYS, "{}") == "fig2_3_grid_extension"
