"""Experiment files that nobody should write: a list made by hand, and mutants of good ones, made by
a `random.Random`.
"""

import copy
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import made_searched

from harness.spec.document import parse

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))

SMALL = """\
question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: adam}
match: {axis: params, at: [100], tol: 0.5, solve: {kan: grid, mlp: width}}
recipes:
  adam: {optimizer: {name: adam, learning_rate: 1e-3}, max_evaluations: 10}
seeds: [0]
"""
# Most of what an experiment can say.
RICH = """\
question: which?
tasks: [xy, {target: additive, inputs: 2, instance: 1, train_points: 60, validation_points: 20, test_points: 20}]
arms:
  kan: {architecture: {family: kan, depth: 2, grid: 3, order: 2, base: frozen, scales: true, bias: true, noise: 0.2}, recipe: staged, sizes: {width: [2, 3, 4]}}
  spline: {architecture: {family: spline_mlp, hidden: [2], place: before, rank: 2, noise: 1}, recipe: levenberg, sizes: {grid: [2, 3, 4]}}
  mlp: {architecture: {family: mlp, activation: sine, omega_0: 10, features: 2, features_sigma: 0.5}, recipe: adam, sizes: {hidden: [[2], [3], [2, 2]]}}
  rbf: {architecture: {family: rbf_kan, hidden: [2], norm: false}, recipe: paper, sizes: {grid: [2, 3, 4]}}
  chebyshev: {architecture: {family: chebyshev_kan, hidden: [2]}, recipe: lbfgs, sizes: {degree: [2, 3, 4]}}
  fourier: {architecture: {family: fourier_kan, hidden: [2]}, recipe: lbfgs, sizes: {harmonics: [2, 3, 4]}}
  rational: {architecture: {family: rational_kan, width: 2, numerator: 3, denominator: 2, groups: 2}, recipe: lbfgs, sizes: {depth: [2, 3, 4]}}
  sparse: {architecture: {family: kan, depth: 2, width: 2}, recipe: sparse, sizes: {grid: [2, 3, 5]}}
recipes:
  adam: {optimizer: {name: adam, learning_rate: 1e-3, schedule: cosine, beta1: 0.8, beta2: 0.9, epsilon: 1e-9, batch_size: 20}, max_evaluations: 12}
  lbfgs: {optimizer: {name: lbfgs, learning_rate: 1, history: 5, tolerance_gradient: 0, tolerance_change: 0, tolerance_curvature: 0, iterations_per_step: 4}, max_evaluations: 40, gain: 1.5, restarts: {count: 2, evaluations: 4}}
  levenberg: {optimizer: {name: levenberg_marquardt, damping: 0.1, shrink: 2, growth: 3, ridge: 0.1, tolerance_gradient: 0, tolerance_change: 0}, max_evaluations: 10}
  staged: {optimizer: {name: lbfgs}, max_evaluations: 40, grid_updates: {every: 4, until: 9, grid_eps: 0.5, margin: 0.1, points: domain}, grid_extension: {grids: [2, 3], evaluations: 9, equal: true}}
  sparse: {optimizer: {name: lbfgs}, max_evaluations: 40, sparsity: {strength: 0.1, evaluations: 5, l1: 1, entropy: 2, threshold: 0.1, optimizer: {name: adam}, per_range: true, snap: true}}
grid: {dtype: [float64, float32]}
zip: {recipes.adam.max_evaluations: [12, 16], recipes.lbfgs.max_evaluations: [40, 44]}
seeds: [0]
engine: torch
device: cpu
window: {kan: {axis: params.trainable, min: 1, max: 10000}, mlp: {until: minimum}}
hold_out: 1
decide:
  - {sides: [kan, [mlp, rbf]], quantity: test_loss, claim: less, at: {params.trainable: largest}, threshold: 1.5, matters: 1.2, at_least: 1, tasks: [exp2d], level: 0.9}
  - {sides: [kan], quantity: count, claim: it is slow, within: 2, count: [params.trainable, flops_forward.shared_dense], at_least: 1}
scales:
  short: {seeds: [1], recipes.adam.max_evaluations: 11}
"""
PHASES = SMALL.replace("max_evaluations: 10", "max_evaluations: 10, phases: 5").replace(
    "[exp2d]", "[gaussian_peaks]"
)
POISSON = SMALL.replace(
    "[exp2d]", "{target: poisson, boundary_points: 40, interior_weight: 0.1, train_points: 50}"
)
DATA = SMALL.replace("[exp2d]", "[wine]").replace("at: [100]", "at: [300]")
SEARCHED = made_searched.TEXT.replace("runs: 4", "runs: 2")

# Words of YAML that stand where another was expected.
WORDS = """
    0 -1 1 2 3 7 0.5 -0.0 1e-3 1e-320 1e-400 1e308 1e309 .inf -.inf .nan 1e999999 9223372036854775807
    9223372036854775808
    -9223372036854775809 4294967295 4294967296 1000000 100000000 1000000000000 123456789012345678901234567890 0x7f 0o17
    0b11 1_000 +1 1:30:00 2020-13-45 2020-02-30 2020-01-01T99:99:99Z 2020-01-01 true false yes ~ null nan Infinity = <<
    [] {} [[]] [{}] {a:\u00a0b} [0,0] [1,2,3] [1,[2]] [null] [true] ["a","b"] [.nan] [1e400] [[1,2],[3,4]] [[2],[3]]
    {"0":0} "" "\\0" "\\uD800" "\\U00110000" "\\e[2J" "a\\nb" "a.b" "." ".." "../x" "*" "a|b" "exp2d" "kan"
    "mlp" "adam" "grid" "params" "seeds" "full" "é" "\U0001f600" '' ' ' 'it''s' !!int abc !!float x !!bool maybe !!null x !!timestamp 9 !!binary aGk=
    !!set {a,b} !!omap [a:1] !!python/object:os.system x !foo !!str !!seq {} !!map [] &a *a &a [*a] *none | > - -1.5 ? :
    {?a} {[1]:2} {5:1} {~:1} {true:1} {1.5:1} {2020-01-01:1} {"a":1,"a":2} {<<:1} {<<:{a:1}} {"<<":1} """
HOSTILE = [
    *WORDS.split(), "9" * 400, "9" * 5000, "[" * 30 + "]" * 30, "[" * 1000 + "]" * 1000, "[" * 1000, "{a: " * 200,
    f"[{', '.join(map(str, range(300)))}]", '"' + "x" * 3000 + '"', "x" * 3000, "\t", "\x01", "\x85", "\ufeff",
    "{family: mlp, hidden: [2]}", "{family: module, module: none, size: width}", "{name: lbfgs}",
    "{target: xy, low: [0, 0], high: 1}",
]  # fmt: skip


class Raw(str):
    """A piece of YAML that goes into a file as it is."""


def flow(value: Any) -> str:
    """Plain data, with pieces of YAML in it, as one line of YAML."""
    match value:
        case Raw():
            return str(value)
        case dict():
            return (
                "{" + ", ".join(f"{flow(name)}: {flow(item)}" for name, item in value.items()) + "}"
            )
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def written(data: dict) -> str:
    return "".join(f"{flow(name)}: {flow(value)}\n" for name, value in data.items())


def _small(text: str) -> dict:
    """The experiment with one seed, two tasks, and the first point of its axes, so that many
    mutants can be planned.
    """
    data = parse(text, "").data
    data.pop("scales", None)
    if "seeds" in data:
        data["seeds"] = data["seeds"][:1]
    else:
        data["search"] |= {"runs": 2, "replicates": 2}
    tasks = data.get("tasks", [])
    data["tasks"] = tasks[:2] if isinstance(tasks, list) else tasks
    for axes in (data.get("grid", {}), data.get("zip", {})):
        for path in axes:
            axes[path] = axes[path][:1]
    if match := data.get("match"):
        match["at"] = match.get("at", [100])[:2]
    for arm in data["arms"].values():
        for ladder in (arm.get("sizes") or {}).values():
            del ladder[3:]
    return data


TEXTS = [
    *(path.read_text(encoding="utf-8") for path in EXPERIMENTS),
    SMALL,
    RICH,
    PHASES,
    POISSON,
    DATA,
    SEARCHED,
]


@cache
def trees() -> list[dict]:
    return [_small(text) for text in TEXTS]


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
NEEDS = {  # where something stands in SMALL, and what cannot stand there
    "which?": "[] {} {a:1} [x] 1 1.5 ~ true [ { ] } @ ` %x *none &a",
    "[exp2d]": (
        "[] ~ 5 [5] {} [{}] [~] [[exp2d]] [exp3d] [exp2d,exp2d] [a:b:c] [:] [none:none] "
        ".nan [.inf] [1e400] [[[]]] !!set{x}"
    ),
    "[0]": (
        "[] ~ 0 {} [a] [0.5] [-1] [4294967296] [0,0] [[0]] [~] [true] [1e3] [.nan] 2020-13-45 "
        "[2020-13-45] [0,-0] &s[0,*s] 0..9"
    ),
    "1e-3": "0 -1 .nan .inf -.inf 1e999 x ~ [] {} true [1] 2020-01-01 1e-400 '1' 1:30",
    "params": "parms flops param [] {} ~ 1 true '' params.trainable",
    "[100]": "[] ~ 0 [0] [-1] [x] [.nan] [.inf] [1e999] [1e300] {} [~] [[100]] [true] 100",
    "0.5": "0 1 2 -1 .nan .inf x ~ [] {} true",
    "width": "x ~ [] {} 1 grid degree true",
    "depth: 3": "depth:3 x {x:1} [x] depth depth:{}".replace(":", ": "),
    "hidden: [2]": "x hidden {hidden}",
    "max_evaluations: 10": "max_evaluations x {}",
}
FIELDS = {
    "max_evaluations: %s": "0 -1 0.5 x ~ [] {} true .nan .inf 1e400 9223372036854775808 10.0",
    "optimizer: {name: lbfgs, history: %s}": "0 -1 x 0.5 ~ .nan [] 99999999999999999999",
    "restarts: {count: %s, evaluations: 5}": "0 x -1 .5 ~ 2 9999999999",
    "phases: %s": "0 1 -1 x 3 1000000000 .nan",
    "gain: %s": "0 -1 .nan .inf x ~ []",
    "grid_extension: {grids: %s, evaluations: 1}": "[] x [0] [3,2] [2,2] ~ [x] [[1]]",
}
TASKS = {
    "train_points: %s": (
        "0 -1 1e12 1000000000000 9223372036854775807 99999999999999999999 1000001 x .nan [] 0.5"
    ),
    "test_points: %s": "0 1000000000 1e9 -5 x {}",
    "inputs: %s": "0 -1 1000000000 x 3 [2]",
    "low: %s": "[] [0] [0,0,0] .nan -.inf x 1 2 ~ {} -1e308 [-1e308,-1e308]",
    "boundary_points: %s": "1 0 x 1000000000000",
    "instance: %s": "-1 x .5 .nan",
}
TAGGED = (
    "!!int abc|!!float x|!!bool maybe|!!binary aGk=|!!set {a}|!!python/none x|!!null x|!!int 0x"
)
KEYS = "5|~|2020-01-01|[1, 2]|{a: 1}|1.5|true|!!int abc|? [a]\n|!!binary aGk=|0x10|.nan|<<"
PATHS = "5 . .. a..b seeds.x seeds.0.1 question.x tasks.9 tasks.-1 arms.none arms.kan.x scales"
ADAMS = "".join(f"  a{i}: {{optimizer: {{name: adam}}, max_evaluations: 10}}\n" for i in range(8))
NINE_PATHS = ("recipes.adam.gain", *(f"recipes.a{i}.gain" for i in range(8)))
MERGED = "".join(
    f"{n}: &{n} {{<<: [{', '.join([f'*{m}'] * 10)}]}}\n"
    for m, n in zip("abcdefgh", "bcdefghi", strict=True)
)
BY_THOUSANDS = (
    f"{{recipes.adam.gain: {[*range(1, 1001)]}, match.tol: {[n / 1001 for n in range(1, 1001)]}}}"
)
MANY_TASKS = "[" + ", ".join(f"{{target: exp2d, high: {n}}}" for n in range(1, 2000)) + "]"
LARGE = {
    "grid of 9 axes": SMALL + "grid:\n" + "".join(f"  a{i}: {[*range(10)]}\n" for i in range(9)),
    "grid of 9 known axes": SMALL.replace("seeds:", f"{ADAMS}seeds:")
    + "grid:\n"
    + "".join(f"  {path}: {[*range(1, 11)]}\n" for path in NINE_PATHS),
    "thousand by thousand": SMALL.replace("[0]", str([*range(1000)])) + f"grid: {BY_THOUSANDS}\n",
    "seeds and budgets": SMALL.replace("[0]", str([*range(9000)])).replace(
        "[100]", str([*range(100, 300)])
    ),
    "runs of a search": SMALL.replace(
        "seeds: [0]", "search: {runs: 10000, replicates: 1000, cap: {evaluations: 10}}"
    ),
    "tasks": SMALL.replace("[exp2d]", MANY_TASKS).replace("[0]", str([*range(500)])),
    "a hundred thousand seeds": SMALL.replace("[0]", str([*range(100_000)])),
    "a million seeds": SMALL.replace("[0]", str([*range(1_000_000)])),
    "laughs": SMALL + LAUGHS,
    "laughs in a grid": SMALL + LAUGHS + "grid: {seeds: *i}\n",
    "laughs by merging": "a: &a {x: 1}\n" + MERGED + SMALL,
    "deep by aliases": "a: &a "
    + "[" * 40
    + "]" * 40
    + "\n"
    + "b: &b "
    + "[" * 40
    + "*a"
    + "]" * 40
    + "\n"
    + SMALL,
}
TEXTS_BY_HAND = [
    "", " ", "\n", "\t", "#", "---", "...", "--- a\n--- b", "[]", "[1]", "x", "5", "~", "{}", "{", "[", "]", "}", ":", "- a", "? a", "!!", "!", "&", "*", "*a",
    "&a *a", "&a [*a]", "%YAML 9.9\n--- {}", ("%TAG ! x\n--- "
                                             "!y z"), "%", "@", "`", "|", ">", "'", '"', '"\\x', '"\\U00110000"', '"\\uD800"', '"\\q"', "a: b: c",
    "a:\n\tb: 1", "a: 1\n b: 2", "a: 1\na: 2", "\x00", "\x01", "\x7f", "\ufeff", "\ufffe", "\u2028", "[" * 1000, "[" * 1000 + "]" * 1000, "{a: " * 1000, "- " * 1000,
    "? " * 1000, ("a: &a {b: "
                 "*a}"), "<<: *a", "<<: 5", "<<: [5]", "&a <<: *a", ("a: &a {<<: "
                                                                    "*a}"), "!!set {a, b}", "!!omap [a: 1]", "!!python/object/apply:os.system [x]",
    "!!str [a]", "!!map []", "!!seq {}", "!<tag:x> a", "9" * 5000, f"seeds: [{'9' * 5000}]", "x" * 100_001, "a: " + "9" * 400, ("\U0001f600: "
                                                                                                                               "\U0001f600"),
]  # fmt: skip


def by_hand() -> list[str]:
    found = [*TEXTS_BY_HAND, *LARGE.values()]
    for old, words in NEEDS.items():
        found += [SMALL.replace(old, word) for word in (*words.split(), *TAGGED.split("|"))]
    for field, words in FIELDS.items():
        found += [
            SMALL.replace("max_evaluations: 10}", field % word + "}") for word in words.split()
        ]
    for field, words in TASKS.items():
        found += [
            SMALL.replace("[exp2d]", f"[{{target: exp2d, {field % word}}}]")
            for word in words.split()
        ]
    for field in ("grid", "zip", "scales", "tune", "arms", "recipes", "window", "decide", "match"):
        found += [
            SMALL + f"{field}: {word}\n"
            for word in ("5", "x", "[1]", ".nan", "true", "{a: }", "{a: []}")
        ]
        found += [SMALL + f"{field}: {{{key}: [1, 2]}}\n" for key in KEYS.split("|")]
    found += [SMALL + f"{key}: 1\n" for key in KEYS.split("|")]
    for field in ("grid", "zip"):
        found += [SMALL + f'{field}: {{"{path}": [1, 2]}}\n' for path in PATHS.split()]
    found += [
        SMALL + f'scales: {{"{name}": {{}}}}\n'
        for name in ("full", "../x", "a|b", "a b", "", ".x", "-x", "a,b", "a/b")
    ]
    return found


def mutant(random: Random) -> str:
    """A good file with one to three things that are wrong with it, or with its meaning."""
    if random.random() < 0.3:
        text = random.choice(TEXTS)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            text = _changed_text(random, text)
        return text
    data = copy.deepcopy(random.choice(trees()))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change = random.choice((_replace, _replace, _drop, _add, _axis))
        change(random, data)
    text = written(data)
    return _changed_text(random, text) if random.random() < 0.1 else text


def _changed_text(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    at = random.randrange(len(text) + 1)
    match random.randrange(9):
        case 0:
            del lines[place]
        case 1:
            lines.insert(other, lines[place])
        case 2:
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            lines[place] = " " * random.randrange(1, 5) + lines[place]
        case 4:
            lines[place] = lines[place].removeprefix("  ")
        case 5:
            return (
                text[:at] + random.choice("\0\r\t\n:,-[]{}&*!|>'\"%@`#?\x7f\u2028 01eé") + text[at:]
            )
        case 6:
            return text[:at] + text[at + random.randrange(1, 30) :]
        case 7:
            return text[:at]
        case 8:
            head, colon, _ = lines[place].rstrip("\n").partition(": ")
            lines[place] = f"{head}{colon}{random.choice(HOSTILE)}\n"
    return "".join(lines)


def _places(data: Any, found: list | None = None) -> list[tuple[Any, Any]]:
    """Every (mapping or list, key or index) of plain data."""
    found = [] if found is None else found
    if isinstance(data, (dict, list)):
        for key in data if isinstance(data, dict) else range(len(data)):
            found.append((data, key))
            _places(data[key], found)
    return found


def _replace(random: Random, data: dict) -> None:
    parent, key = random.choice(_places(data) or [(data, "question")])
    parent[key] = Raw(random.choice(HOSTILE))


def _drop(random: Random, data: dict) -> None:
    if places := _places(data):
        parent, key = random.choice(places)
        del parent[key]


def _add(random: Random, data: dict) -> None:
    mappings = [
        data,
        *(parent[key] for parent, key in _places(data) if isinstance(parent[key], dict)),
    ]
    random.choice(mappings)[Raw(random.choice(HOSTILE))] = Raw(random.choice(HOSTILE))


def _axis(random: Random, data: dict) -> None:
    """An axis over some dotted path of the file."""
    path: list[str] = []
    place: Any = data
    while isinstance(place, (dict, list)) and place and (not path or random.random() < 0.8):
        key = random.choice(list(place if isinstance(place, dict) else range(len(place))))
        path.append(str(key))
        place = place[key]
    values = [copy.deepcopy(place), Raw(random.choice(HOSTILE))][: random.randint(1, 2)]
    field = data.setdefault(random.choice(("grid", "zip", "scales")), {})
    if isinstance(field, dict):
        field[".".join(path) + random.choice(("", "", ".x", ".0", "."))] = values
