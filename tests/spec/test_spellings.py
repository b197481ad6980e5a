"""What is written as other programs have it is refused in a sentence that gives the spelling that works."""

import pytest
from commands import invoke

from harness.base.errors import HarnessError
from harness.paper.replay import REPLAYS
from harness.spec import parse_experiment
from harness.study.folders import full_name

TEXT = """question: KANs or MLPs?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: r}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: r}
match: {axis: params, at: [40, 80], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {r: {optimizer: {name: lbfgs}, max_evaluations: 10}}
seeds: [0, 1]
decide:
  - {claim: c, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("tol: 0.3", "tol: 25%", r'match.tol="25%": a number is expected; write 0.25$'),
        ("threshold: 1", "threshold: one", r'threshold="one": a number is expected; write 1$'),
        ("evaluations: 10", "evaluations: 1k", r'max_evaluations="1k": a whole number is expected; write 1000$'),
        (
            "[exp2d]",
            "[{target: exp2d, train_points: 5e2}]",
            r"train_points=500.0: a whole number is expected; write 500$",
        ),
        ("KANs or MLPs?", "KAN: or", r'a colon stands within a text; quote it, question: "KAN: or"$'),
        ("family: mlp", "family: MLP", r"family=\"MLP\": did you mean 'mlp'"),
        (
            "hidden: [2]",
            "hidden: [2], order: [0, 3]",
            r"order=\[0, 3\]: a whole number is expected; write grid: {arms.kan.architecture.order: .0, 3.}",
        ),
        ("[40, 80]", "[40, many]", r'match.at.1="many": a number is expected$'),
    ],
)
def test_in_a_file(right, wrong, said):
    with pytest.raises(HarnessError, match=said):
        parse_experiment(TEXT.replace(right, wrong))


def test_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.yaml").write_text(TEXT)
    (tmp_path / "d.csv").write_text("params;rmse\n10;0,5\n20;0,3\n")
    for command, said in {
        "run q.yaml --workers two": "'two' is no whole number; write 2",
        "run q.yaml --workers 1e1": "'1e1' is no whole number; write 10",
        "run q.yaml --worker 2": "No such option '--worker'. Did you mean '--workers'?",
        "plan q.yaml --set match.tol=[4e8]": "match.tol=[4e8]: a number is expected",
        "run q.yml": "q.yml: No such file or directory; did you mean q.yaml?",
        "logs abc q.yaml": "abc: the file comes first, q.yaml abc",
        "train q.yaml": "train: no such command; did you mean run?",
        "fit d.csv --x params --y rmse": "not a number. Write 0.5 for 0,5, or choose rows with --where",
    }.items():
        refused = invoke(*command.split())
        assert refused.exit_code == 2, command
        assert said in refused.output
    assert invoke("validate", "quickstart").exit_code == 0


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Fig 3.1", "fig3_1_toy_scaling"),
        ("Figure 2.3", "fig2_3_grid_extension"),
        ("Table 1", "table1_special_functions"),
    ],
)
def test_a_figure_as_people_write_it(written, name):
    assert full_name(written, REPLAYS, "{}") == full_name(name, REPLAYS, "{}") == name
