"""Every mistake in an experiment file is answered with the line of the file on which it stands."""

from commands import invoke

from harness.base.errors import USAGE

FILE = """\
question: which?
tasks:
  - exp2d
  - target: additive
    inputs: 2
arms:
  kan:
    architecture:
      family: kan
      hidden: [2]
    recipe: adam
  mlp:
    architecture:
      family: mlp
      depth: 3
    recipe: adam
match:
  axis: params
  at: [60, 100, 150, 200, 300]
  tol: 0.5
  solve:
    kan: grid
    mlp: width
recipes:
  adam:
    optimizer:
      name: adam
      learning_rate: 1e-3
    max_evaluations: 10
seeds: [0]
decide:
  - sides: [kan, mlp]
    quantity: test_loss
    claim: kan is better
    at: params.trainable
    threshold: 1
    at_least: 1
"""
CODE = """\
import numpy as np
import torch
from harness.optimisers.outside import OutsideOptimiser
from harness.families.base import Layered

def good(x): return x[:, 0]
def chance(x): return np.random.rand(len(x))
def constant(x): return np.ones(len(x))
def scalar(x):
    import math
    return math.sin(x[:, 0])
def wide(x): return x
def fails(x): return x[:, 7]

class Line(torch.nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.one, self.two = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)
    def forward(self, x): return self.two(torch.tanh(self.one(x)))

class Dropping(Line):
    def forward(self, x): return torch.nn.functional.dropout(super().forward(x))

class NoWidth(torch.nn.Module):
    def __init__(self, inputs, outputs): super().__init__()

class Halfway(OutsideOptimiser): pass
class Unfinished(Layered): pass
"""
OWN = """    module: own_code:{}
    size: width
    recipe: adam"""
KAN = """    architecture:
      family: kan
      hidden: [2]
    recipe: adam"""
SOLVE = "    kan: grid\n"
# What is written in place of what; the line on which the mistake is ends in MARK.
MARK = "  # here"
BROKEN = (
    # what the file may say, and its values
    ("question: which?", "question: which?\nquestoin: x  # here"),
    ("      family: kan", "      family: kna  # here"),
    ("      hidden: [2]", "      hiden: [2]  # here"),
    ("      hidden: [2]", "      hidden: 2  # here"),
    ("seeds: [0]", "seeds: 3  # here"),
    ("seeds: [0]", "seeds: [0, 0]  # here"),
    ("seeds: [0]", "seeds: [0]\nseeds: [1]  # here"),
    ("    inputs: 2", "    inputs: 0  # here"),
    ("  at: [60,", "  at: [-60,  # here\n  "),
    ("  tol: 0.5", "  tol: 2  # here"),
    ("  axis: params", "  axis: flops  # here"),
    ("    max_evaluations: 10", "    max_evaluations: {10  # here"),
    ("      learning_rate: 1e-3", "      learning_rte: 1e-3  # here"),
    ("      name: adam", "      name: adamw  # here"),
    # names that must be somewhere else in it
    ("    recipe: adam\n  mlp", "    recipe: adm  # here\n  mlp"),
    ("    kan: grid", "    kan: depht  # here"),
    ("  solve:\n    kan", "  solve:  # here\n    kna"),
    ("  - sides: [kan, mlp]", "  - sides: [kna, mlp]  # here"),
    ("decide:", "window:  # here\n  kna: {max: 3}\ndecide:"),
    # targets
    ("  - exp2d", "  - exp2e  # here"),
    ("  - target: additive\n    inputs: 2", "  - target: additve  # here\n    inputs: 2"),
    ("  - target: additive\n    inputs: 2", "  - target: [[2], [3]]  # here\n    inputs: 2"),
    ("    inputs: 2", "    inputs: 2\n    boundary_points: 5  # here"),
    ("  - exp2d", "  - {target: exp2d, low: 2}  # here"),
    ("  - exp2d", "  - {target: exp2d, inputs: 5}  # here"),
    *(
        ("  - exp2d", f"  - {{target: own_code:{name}, inputs: 2}}  # here")
        for name in ("godo", "chance", "constant", "scalar", "wide", "fails")
    ),
    ("  - exp2d", "  - {target: no_code:f, inputs: 2}  # here"),
    ("  - exp2d", "  - own_code:good  # here"),
    # classes of the user's own
    ("      name: adam", "      name: own_code:Halfwy  # here"),
    ("      name: adam", "      name: own_code:Halfway  # here"),
    ("      family: kan", "      family: own_code:Unfinished  # here"),
    ("      family: kan", "      family: no_code:Unfinished  # here"),
    *(
        (KAN, OWN.format(f"{name}  # here"), SOLVE, "    kan: width\n")
        for name in ("Lien", "NoWidth", "Dropping")
    ),
    (KAN, OWN.format("Line").replace("size: width", "size: hidden  # here")),
    (KAN, OWN.format("Line").replace("size: width", "size: width  # here")),
    # what cannot go together
    ("    kan: grid\n", "    '*': width\n" + "    kan: degree  # here\n"),
    ("  solve:\n    kan: grid\n", "  solve:  # here\n"),
    ("      hidden: [2]", "      hidden: [2]\n      grid: 3  # here"),
    (
        "    architecture:\n      family: kan\n      hidden: [2]",
        "    architecture:  # here\n      family: kan",
    ),
    ("    recipe: adam\n  mlp", "    sizes: {grid: [2, 3]}  # here\n    recipe: adam\n  mlp"),
    ("  axis: params", "  axis: params\n  convention: local_min  # here"),
    ("seeds: [0]", "engine: fused  # here\ndtype: float32\nseeds: [0]"),
    # of files of before
    ("seeds: [0]", "grid:\n  tune.gain: [[1], [2]]  # here\nseeds: [0]"),
    ("seeds: [0]", "scales:\n  short:\n    tune.gain: [1]  # here\nseeds: [0]"),
    ("    max_evaluations: 10", "    max_evaluations: 10\n    phases: 3  # here"),
    ("seeds: [0]", "hold_out: 5  # here\nseeds: [0]"),
    ("  at: [60, 100, 150, 200, 300]", "  at: [1, 2]  # here"),
    # rules
    ("    quantity: test_loss", "    quantity: test_los  # here"),
    ("    at: params.trainable", "    at: params.trainble  # here"),
    ("    at: params.trainable", "    at: {params.trainable: -1}  # here"),
    ("    at_least: 1", "    at_least: 3  # here"),
    ("    at_least: 1", "    tasks: [exp]  # here\n    at_least: 1"),
    ("    at_least: 1", "    axes: [params.stored, params.trainable]  # here\n    at_least: 1"),
    ("  - sides: [kan, mlp]", "  - arms: [kan, mlp]  # here"),
    # axes and scales
    ("seeds: [0]", "grid:\n  seeds: 3  # here\nseeds: [0]"),
    ("seeds: [0]", "grid:\n  recipes.adam.max_evaluations: [10, -1]  # here\nseeds: [0]"),
    ("seeds: [0]", "grid:\n  match.at: [[60], [1]]\n  tasks.0: [exp2d, exp3d]  # here\nseeds: [0]"),
    ("seeds: [0]", "zip:  # here\n  seeds: [[0], [1]]\n  match.tol: [0.5]\nseeds: [0]"),
    ("seeds: [0]", "scales:\n  full: {}  # here\nseeds: [0]"),
    ("seeds: [0]", "scales:\n  short:\n    seeds: [0, 0]  # here\nseeds: [0]"),
    (
        "seeds: [0]",
        "scales:\n  short:\n    match.tol: 0.1\n    match.at: [1, 2]  # here\nseeds: [0]",
    ),
    ("seeds: [0]", "scales:\n  short:\n    recipse.adam.gain: 1  # here\nseeds: [0]"),
    (
        "seeds: [0]",
        "scales:\n  short:\n    arms.kan.architecture:\n      family: kna  # here\nseeds: [0]",
    ),
    # search
    (
        "seeds: [0]",
        "robust_to:  # here\n  recipes: [adam, paper]\n  trials: [1]\n  scrambles: [1]\nseeds: [0]",
    ),
    (
        "seeds: [0]",
        (
            "search:\n  trials: 4  # here\n  seeds: [0, 1]\n  effort: {axis: evaluations, at: "
            "9}\nseeds: [2]"
        ),
    ),
    (
        "    recipe: adam\n  mlp",
        "    recipe: adam\n    space: {recipe.gain: [1, 2]}  # here\n  mlp",
    ),
)


def test_the_line_is_that_of_the_mistake(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "own_code.py").write_text(CODE)
    wrong = []
    for old, new, *also in BROKEN:
        text = FILE.replace(old, new, 1).replace(*(also or ("", "", 0)))
        assert old in FILE
        (here / "file.yaml").write_text(text)
        line = next(
            (number for number, each in enumerate(text.splitlines(), 1) if each.endswith(MARK)),
            None,
        )
        done = invoke("validate", "file.yaml", *(["--scale", "short"] if "short:" in new else []))
        errors = [each for each in done.output.splitlines() if each.startswith("error: ")]
        if done.exit_code != USAGE or not any(
            each.startswith(f"error: file.yaml:{line}: ") for each in errors
        ):
            wrong.append((new, line, done.output))
    assert not wrong, "\n".join(map(str, wrong))
