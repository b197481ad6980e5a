"""Writes the numbers of kept results into claims.md, paper.md and the README: `python
docs/write.py`.

Of a sentence, `{}` stands where a number is written. What a sentence says beside its numbers is a
check here: who is ahead, and what is undecided. A result that says otherwise stops the program, and
a person writes the sentence anew.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import first_screen
import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from write_numbers import LBFGS, with_numbers, with_table

from harness.base.formats import exponent, human
from harness.paper.replay import REPLAYS
from harness.planning.match import MatchSetting, match_arms
from harness.record.kept import KEPT_RECORDS, read_lines
from harness.spec.document import FULL

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "results"
PARAMS, DENSE, LOCAL = "params.trainable", "flops_train.shared_dense", "flops_train.local_min"
TASKS = ("j0", "exp2d", "xy", "exp4d")
TEACHER, TREE = "mlp_teacher train_points=100000", "tree train_points=100000"
LADDER = ("additive", "tree", "mlp_teacher", "rotated_additive", "diabetes")
TIMES, ENDS = "{} times [{}, {}]", "{} [{}, {}]"  # how claims.md writes an interval
FORWARD = ("shared_dense", "local_min", "kanbefair", "executed")
EXPERIMENTS = sorted((DOCS.parent / "experiments").glob("*.yaml"))
MINUTES = {"fig3_4_forgetting.yaml": "2 minutes"}  # as experiments/README.md says
WAYS = ("grid_eps=0.02", "levenberg")  # of training a KAN, beside that with uniform knots
FULL_LENGTH = "fig3_1_toy_scaling-width-100"
Sentence = tuple[str, ...]
Found = dict[str, Any]


def pages() -> dict[str, str]:
    """What is written, by the names of files beside docs/."""
    text = (DOCS / "paper.md").read_text(encoding="utf-8")
    paper = with_table(text, "figure | the paper's claim", list(_replays(text)))
    readme = first_screen.written((DOCS.parent / "README.md").read_text(encoding="utf-8"))
    return {
        "claims.md": _with_all((DOCS / "claims.md").read_text(encoding="utf-8"), _of_claims()),
        "paper.md": with_table(paper, "figure | network", list(_exponents())),
        "../README.md": _with_all(readme, _of_readme()),
    }


def _with_all(text: str, sentences: Iterator[Sentence]) -> str:
    for sentence, *numbers in sentences:
        text = with_numbers(text, sentence, numbers)
    return text


@cache
def _kept(path: str) -> Any:
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"kept results no longer say that {what}; write the sentence anew")


# --------------------------------------------------------------------------------------------------
# intervals
def _times(found: Found, digits: int = 2) -> Sentence:
    """How many times the leader leads, whichever side that is, with the ends of the interval."""
    ends = [found[name] for name in ("estimate", "low", "high")]
    if found["low"] < 1:
        ends = [1 / found[name] for name in ("estimate", "high", "low")]
    _check(ends[1] > 1, f"{found} is decided")
    return tuple(_written(end, digits) for end in ends)


def _ends(found: Found, digits: int = 2) -> Sentence:
    return tuple(_written(found[end], digits) for end in ("estimate", "low", "high"))


def _written(number: float, digits: int) -> str:
    return f"{float(f'{number:.{digits}g}'):,g}"


def _leader(ratio: Found) -> str:
    return "first" if ratio["low"] > 1 else "second" if ratio["high"] < 1 else ""


def _by_task(ratios: list[Found]) -> dict[str, Found]:
    return {one["task"]: one["ratio"] for one in ratios}


# --------------------------------------------------------------------------------------------------
# claims
def _of_claims() -> Iterator[Sentence]:
    yield from _of_toys()
    yield from _of_rules_of_toys()
    yield from _of_hundred()
    yield from _of_beliefs()
    yield from _of_language()
    yield from _of_real_data()
    yield from _of_quickstart()
    yield from _of_ladder()
    yield from _of_size_and_data()
    yield from _of_dimension()
    yield from _of_replays()
    yield from _of_programs()


def _toys() -> Found:
    return _kept("verdicts/toys-short/answer.json")["headline"]


def _of_toys() -> Iterator[Sentence]:
    """Replicates: at 400 parameters, with all runs and with one, and the spline MLP beside the
    KAN.
    """
    toys = _toys()
    largest = [
        one for one in toys["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")
    ]
    leads, alone = _by_task(largest), _by_task([one for one in toys["efforts"] if one["runs"] == 1])
    others = _by_task([one for one in toys["others"] if one["second"] == "spline_mlp"])
    for of_tasks, tasks in ((leads, ("j0", "xy")), (others, ("j0", "exp4d"))):
        _check(not any(_leader(of_tasks[task]) for task in tasks), f"{tasks} are undecided")
    yield (
        f"KANs ahead on exp(sin(πx) + y²) by {TIMES} and on a function of four variables by",
        *_times(leads["exp2d"]),
    )
    yield f"by {TIMES}; J0(20x) and x·y are undecided.", *_times(leads["exp4d"])
    one_run = f"With one run a size MLPs are ahead on J0 by {TIMES} and on x·y by {TIMES}."
    yield one_run, *_times(alone["j0"]), *_times(alone["xy"])
    longer = _kept("verdicts/toys-evening/answer.json")["headline"]["readings"]
    leads = _by_task([one for one in longer if (one["axis"], one["place"]) == (PARAMS, "largest")])
    _check(
        [_leader(leads[task]) for task in TASKS] == ["", "first", "", ""],
        "after long training KANs lead on exp2d",
    )
    yield f"KANs are ahead on the first alone, by {TIMES}", *_times(leads["exp2d"])
    splines = f"KANs ahead of spline MLPs by {TIMES} on exp2d, spline MLPs by {TIMES} on x·y"
    yield splines, *_times(others["exp2d"]), *_times(others["xy"])


def _of_rules_of_toys() -> Iterator[Sentence]:
    """Budgets for equal errors, exponents, counts and the seconds of an evaluation."""

    def of_rule(claim: str, axis: str = PARAMS) -> dict[str, Found]:
        return {task: _found("toys-short", claim, axis, task) for task in TASKS}

    needed, steeper = of_rule("2: KANs are as good"), of_rule("4, the formula's shape")
    yield f"on four variables the MLP needs {ENDS} times the parameters", *_ends(needed["exp4d"])
    yield "on exp2d at least {} times, which is a bound", f"{needed['exp2d']['bound'][1]:.2g}"
    yield (
        f"the formula's shape has an exponent higher by {ENDS} than MLPs",
        *_ends(steeper["exp2d"], 3),
    )
    counted = [found["estimate"] for found in of_rule("10: what the paper").values()]
    work, local = (
        _forward_flops("flops_forward.shared_dense"),
        _forward_flops("flops_forward.local_min"),
    )
    yield "need {} to {} times the forward FLOPs", f"{min(work):.1f}", f"{max(work):.0f}"
    yield "and {} to {} times by the local one", f"{min(local):.2g}", f"{max(local):.2g}"
    yield (
        "the KANs that win train {} to {} times that",
        f"{min(counted):.1f}",
        f"{max(counted):.1f}",
    )
    takes = of_rule("7: at equal parameters")
    _check(not _leader(takes["exp2d"]) and not _leader(takes["exp4d"]), "the other two are open")
    slower = f"takes {ENDS} times an MLP's time on J0 and {ENDS} on x·y; the other two are open"
    yield slower, *_ends(takes["j0"]), *_ends(takes["xy"])


def _forward_flops(count: str) -> list[float]:
    """On each toy, how many times those of the KAN that wins at 400 parameters are those of the
    MLP; all replicates.
    """
    folder = RESULTS / "verdicts" / "toys-short"
    records, runs = read_lines(folder / KEPT_RECORDS).by_run, pd.read_csv(folder / "runs.csv.xz")
    winners = runs[(runs["won_on"] == PARAMS) & (runs["asked"] == 400)]
    counts = [json.loads(records[identity].text)["counts"][count] for identity in winners["run_id"]]
    by_replicate = winners.assign(logs=np.log(counts)).pivot_table("logs", ["task", "seed"], "arm")
    times = np.exp((by_replicate["kan"] - by_replicate["mlp"]).groupby("task").mean())
    return [float(times[task]) for task in TASKS]


def _of_hundred() -> Iterator[Sentence]:
    """Replicates on a function of 100 variables."""
    answer = _kept("verdicts/toys-hundred/answer.json")["headline"]
    (ahead,) = (
        one["ratio"]
        for one in answer["readings"]
        if (one["axis"], one["place"]) == (PARAMS, "largest")
    )
    (splines,) = (one["ratio"] for one in answer["others"] if one["second"] == "spline_mlp")
    _check(
        all(_leader(one["ratio"]) == "first" for one in answer["efforts"]),
        "KANs lead with any number of runs",
    )
    _check(
        (_leader(ahead), _leader(splines)) == ("first", "second"),
        "spline MLPs lead KANs, which lead MLPs",
    )
    of_sizes = (one for one in answer["readings"] if one["axis"] == PARAMS)
    _check(
        all("mlp" in one["worse_than_constant"] for one in of_sizes),
        "MLPs are worse than a constant",
    )
    yield f"KANs are ahead by {TIMES}. On real data", *_times(ahead)
    yield f"Spline MLPs are ahead on 100 variables ([hundred]) by {TIMES}", *_times(splines, 3)


def _of_beliefs() -> Iterator[Sentence]:
    """A probe's errors with MLP blocks over those with KAN blocks."""
    of_tasks = [
        _found("belief_geometry-evening", "27, clearer", PARAMS, task)
        for task in ("mess3", "rrxor")
    ]
    _check(not any(map(_leader, of_tasks)), "nobody's beliefs are clearer")
    errs = (
        f"a probe errs with ReLU blocks {ENDS} times as much as with KAN blocks on Mess3, "
        f"{ENDS} times on RRXOR"
    )
    yield errs, *_ends(of_tasks[0]), *_ends(of_tasks[1])
    splines = _found("belief_update", "27, update: KANs", PARAMS, "mess3_update")
    rational = _found(
        "belief_update",
        "27, update: rational KANs learn it better than MLPs",
        PARAMS,
        "mess3_update",
    )
    _check(
        (_leader(splines), _leader(rational)) == ("second", "first"),
        "rational KANs lead MLPs, which lead KANs",
    )
    one_step = f"MLPs ahead of KANs by {TIMES}, rational KANs of MLPs by {TIMES}"
    yield one_step, *_times(splines), *_times(rational)


def _of_language() -> Iterator[Sentence]:
    """How much lower the cross-entropies of MLPs' blocks are than a KAN's."""
    swiglu = _found("language-evening", "22: a KAN block", PARAMS, "shakespeare")
    silu = _found("language-evening", "22, silu", PARAMS, "shakespeare")
    rational = _found("language-evening", "22, GR-KAN", PARAMS, "shakespeare")
    leaders = [_leader(one) for one in (swiglu, silu)]
    _check(leaders == ["second"] * 2, "SwiGLU and silu are ahead of KANs")
    _check(
        rational["low"] > 1 / 1.01 and rational["high"] < 1.01,
        "rational KANs and SwiGLU are equal within 1 %",
    )
    blocks = (
        f"SwiGLU's cross-entropy is {TIMES} lower than KAN blocks', silu's {TIMES}; rational "
        "KANs equal SwiGLU"
    )
    yield f"{blocks} within 1 %", *_times(swiglu, 4), *_times(silu, 4)


def _of_real_data() -> Iterator[Sentence]:
    """Replicates on six sets of real data, at 7,000 parameters."""
    answer = _kept("verdicts/real_data/answer.json")["headline"]
    leads = _by_task(
        [one for one in answer["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")]
    )
    splines = _by_task(
        [one for one in answer["others"] if (one["first"], one["second"]) == ("kan", "spline_mlp")]
    )
    _check(_leader(leads["camera"]) == "second", "MLPs lead on the photograph")
    undecided = ("digits", "breast_cancer", "diabetes", "randhie")
    _check(
        not any(_leader(leads[task]) for task in undecided), "digits and three tables are undecided"
    )
    _check(leads["wine"]["estimate"] is None, "both sides are worse than a constant on wine")
    _check(
        not any(_leader(splines[task]) for task in ("digits", "breast_cancer", "wine")),
        "three sets are undecided",
    )
    _check(_leader(splines["camera"]) == "second", "spline MLPs lead on the photograph")
    yield f"MLPs ahead by {TIMES} on a photograph; on digits", *_times(leads["camera"], 3)
    yield (
        f"on a photograph, but on no other set ([real_data]), by {TIMES}",
        *_times(splines["camera"], 3),
    )


def _of_quickstart() -> Iterator[Sentence]:
    """At equal training FLOPs, by both counts, at the last budget."""
    answer = _kept("reference/quickstart/answer.json")["headline"]
    leads = {}
    for axis in (DENSE, LOCAL):
        leads[axis] = _by_task(
            [one for one in answer["readings"] if (one["axis"], one["place"]) == (axis, "largest")]
        )
        leaders = [_leader(leads[axis][task]) for task in ("exp2d", "j0")]
        _check(leaders == ["first", "second"], "each side leads on one")
    on_exp2d = f"on exp2d KANs are ahead by {TIMES} by the dense count and {TIMES} by the local one"
    yield on_exp2d, *_times(leads[DENSE]["exp2d"]), *_times(leads[LOCAL]["exp2d"])
    on_j0 = f"on J0 MLPs of sine units by {TIMES} and {TIMES}"
    yield on_j0, *_times(leads[DENSE]["j0"]), *_times(leads[LOCAL]["j0"])


def _number(experiment: str, claim: str, axis: str, task: str) -> Found:
    """The first number on a task of the first rule whose claim begins so."""
    kept = _kept(f"verdicts/{experiment}/verdicts.json")["verdicts"]
    rule = next(one for one in kept if one["claim"].startswith(claim))
    _check(
        axis in {one.get("convention", rule.get("axis")) for one in rule["numbers"]},
        f"{claim} is read on {axis}",
    )
    return next(
        one for one in rule["numbers"] if (one.get("convention", axis), one["unit"]) == (axis, task)
    )


def _found(experiment: str, claim: str, axis: str, task: str) -> Found:
    return _number(experiment, claim, axis, task)["found"]


def _of_ladder() -> Iterator[Sentence]:
    """Replicates on five tasks, at 400 parameters."""
    answer = _kept("verdicts/ladder/answer.json")["headline"]
    alike = _by_task(
        [one for one in answer["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")]
    )

    def beside(first: str) -> dict[str, Found]:
        return _by_task([one for one in answer["others"] if one["first"] == first])

    of_any, ranks, bases = (
        beside("kan_any"),
        beside("rank_4"),
        beside("the best of rbf, chebyshev, fourier"),
    )
    of_kans = f"KANs are ahead by {TIMES} on a sum and {TIMES} on a tree"
    yield of_kans, *_times(alike["additive"]), *_times(alike["tree"])
    of_mlps = f"MLPs by {TIMES} on a tanh network and {TIMES} on a sum in turned axes"
    yield of_mlps, *_times(alike["mlp_teacher"]), *_times(alike["rotated_additive"])
    any_shape = f"With any shape and units MLPs lead on the same two by {TIMES} and {TIMES}"
    yield any_shape, *_times(of_any["mlp_teacher"]), *_times(of_any["rotated_additive"])
    _check(
        not _leader(of_any["tree"]) and _leader(of_any["additive"]) == "first",
        "of any shape the tree is open",
    )
    for ratios in (alike, of_any, ranks, bases):
        ends = ratios["diabetes"]
        _check(not _leader(ends), "nobody leads on diabetes")
    yield "on three of five more tasks ([ladder]) by {} to {} times", *_edges_behind()
    functions = [ranks[task] for task in LADDER[:-1]]
    _check(
        {_leader(found) for found in functions} == {"second"},
        "the KAN is ahead of rank 4 on four tasks",
    )
    yield "of a spline MLP of rank 4, by {} to {} times", *_from_to(functions)
    better = [bases[task] for task in LADDER[:-2]]
    _check({_leader(found) for found in better} == {"first"}, "other bases lead on three tasks")
    yield "other bases are ahead of splines on three, by {} to {} times", *_from_to(better)


def _edges_behind() -> Sentence:
    """The least and the largest lead of MLPs with splines for units over KANs, on the three tasks
    where they lead.
    """
    others = _kept("verdicts/ladder/answer.json")["headline"]["others"]
    splines = _by_task([one for one in others if one["first"] == "kan"])
    ahead = [task for task in LADDER if _leader(splines[task]) == "second"]
    _check(
        ahead == ["tree", "mlp_teacher", "rotated_additive"], "spline MLPs are ahead on three tasks"
    )
    _check(
        not any(_leader(found) == "first" for found in splines.values()),
        "KANs are ahead of them on none",
    )
    return _from_to([splines[task] for task in ahead])


def _from_to(ratios: list[Found]) -> Sentence:
    """The least and the largest lead."""
    leads = [max(found["estimate"], 1 / found["estimate"]) for found in ratios]
    return f"{min(leads):.2g}", f"{max(leads):.2g}"


def _leads_at_30_000() -> tuple[Found, Found]:
    """Of KANs over MLPs with 100,000 points, by task; and over MLPs with splines for units."""
    answer = _kept("verdicts/size_and_data/answer.json")["headline"]
    alike = _by_task(
        [one for one in answer["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")]
    )
    splines = _by_task(
        [one for one in answer["others"] if (one["first"], one["second"]) == ("kan", "spline_mlp")]
    )
    _check(
        not _leader(alike[TEACHER]) and _leader(alike[TREE]) == "first", "KANs lead the tree alone"
    )
    _check(_leader(splines[TEACHER]) == "second", "spline MLPs lead KANs on the tanh network")
    return alike, splines


def _of_size_and_data() -> Iterator[Sentence]:
    """Replicates from 100 to 30,000 parameters."""
    alike, splines = _leads_at_30_000()
    on_the_tree = (
        f"KANs ahead by {TIMES} on a tree (winners below 2,600 parameters); nobody on a "
        "tanh network"
    )
    yield on_the_tree, *_times(alike[TREE])
    yield f"([size_and_data]) on a tanh network by {TIMES}", *_times(splines[TEACHER])
    slopes = _number("size_and_data", "4", PARAMS, TEACHER)
    of_teacher = {
        one["side"]: one["exponent"]
        for one in _kept("verdicts/size_and_data/answer.json")["headline"]["exponents"]
        if (one["task"], one["axis"]) == (TEACHER, PARAMS)
    }
    bent = [caution["code"] for side in ("kan", "mlp") for caution in of_teacher[side]["cautions"]]
    _check(bent.count("MISFIT") == 2, "both curves bend on the tanh network")
    kan, mlp = (
        [exponent(of_teacher[side][end]) for end in ("estimate", "low", "high")]
        for side in ("kan", "mlp")
    )
    _check(slopes["outcome"] == "supported", "KANs fall faster on the tanh network")
    yield f"[size_and_data], tanh network: KANs have {ENDS} against {ENDS} (both bend)", *kan, *mlp


def _of_dimension() -> Iterator[Sentence]:
    """Replicates on families of functions of two, four and eight variables, at 800 parameters."""
    readings = _kept("verdicts/dimension/answer.json")["headline"]["readings"]
    leads = _by_task(
        [one for one in readings if (one["axis"], one["place"]) == (PARAMS, "largest")]
    )
    kept = _found("dimension", "16: KANs escape it on a random field", PARAMS, "gaussian_field")
    yield (
        f"the exponent of KANs on a random field with eight variables is {ENDS} of that with two",
        *_ends(kept),
    )
    fields, turned = (
        [leads[f"{family} inputs={n}"] for n in (2, 4, 8)]
        for family in ("gaussian_field", "rotated_additive")
    )
    _check(
        {_leader(found) for found in fields} == {"second"},
        "MLPs are ahead on fields of any number of variables",
    )
    times = (f"{1 / found['estimate']:.2g}" for found in fields)
    yield "MLPs are ahead there by {}, {} and {} times with two, four and eight variables", *times
    two, four, eight = (leads[f"additive inputs={n}"] for n in (2, 4, 8))
    _check(
        (_leader(two), _leader(four), _leader(eight)) == ("second", "first", "first"),
        "KANs lead sums of 4 and 8",
    )
    yield (
        f"KANs are ahead on sums of four and eight variables, by {TIMES} and {TIMES}",
        *_times(four, 3),
        *_times(eight, 3),
    )
    _check(
        [_leader(found) for found in turned] == ["second", "second", ""],
        "MLPs lead turned sums of 2 and 4",
    )
    yield f"in turned axes MLPs are, by {TIMES} with four", *_times(turned[1])


# --------------------------------------------------------------------------------------------------
# replays
def _of_replays() -> Iterator[Sentence]:
    """Exponents of KANs and MLPs over three seeds; the theorem's shape; Poisson's equation."""
    found = {
        rule["claim"]: {number["unit"]: number["found"] for number in rule["numbers"]}
        for rule in _kept(f"replay/{FULL_LENGTH}/replay.json")["verdicts"]
    }
    steeper = found["4, replay: KANs scale faster than MLPs on each of five functions"]
    are_steeper = [task for task, gap in steeper.items() if gap["low"] > 0]
    _check(are_steeper == ["j0", "exp2d"], "KANs are steeper on two of five")
    of_kans = found["4, theory: the exponent of KANs is above 2.75 (4 less 1.25)"]
    lower = f"MLPs' are lower by {ENDS} and {ENDS}; the other three are open"
    scaling = f"exponents of {ENDS} (J0) and {ENDS} (exp2d), {lower}"
    yield (
        scaling,
        *(
            end
            for of_task in (of_kans, steeper)
            for task in ("j0", "exp2d")
            for end in _ends(of_task[task])
        ),
    )
    runs = pd.read_csv(RESULTS / "replay" / FULL_LENGTH / "runs.csv")
    uniform = runs[(runs["task"] == "exp4d") & runs["series"].str.contains("grid_eps=1.0")]
    of_grids = uniform.groupby(["shape", "grid"])["test_rmse"].agg(
        lambda errors: np.exp(np.log(errors).mean())
    )
    best = of_grids.groupby("shape").min()
    yield (
        "[4,9,1] has {} times the error of [4,2,2,1]",
        _written(best["4-9-1"] / best["4-2-2-1"], 2),
    )
    rules = _kept("replay/fig3_3_poisson-table/replay.json")["verdicts"]
    (poisson,) = (
        one["numbers"][0]["found"] for one in rules if one["claim"].startswith("3, at all")
    )
    _check(poisson["high"] < 1, "the MLP is more accurate")
    estimate, low, high = (1 / poisson[end] for end in ("estimate", "high", "low"))
    numbers = (f"{estimate:.2g}", f"{low:.3g}", f"{high:.2g}")
    yield f"the best MLP of the paper's size or less is {TIMES} *more* accurate", *numbers


def _of_programs() -> Iterator[Sentence]:
    """How many times an MLP's time an evaluation of the KAN [2,5,1] takes, by program, at three
    sizes of its grid.
    """
    timed = pd.read_csv(RESULTS / "benchmarks" / "evaluation.csv")
    of_kan = timed[timed["network"] == "[2, 5, 1]"].set_index(["grid", "implementation"])["cpu_ms"]
    of_mlp = timed[timed["implementation"].str.startswith("MLP")].set_index(
        ["grid", "implementation"]
    )["cpu_ms"]
    of_mlp = of_mlp[
        ~of_mlp.index.duplicated()
    ]  # the first network of a grid is the one beside [2,5,1]
    programs = {
        "pykan": "MLP, torch",
        "torch (ours)": "MLP, torch",
        "fused (ours)": "MLP, fused (ours)",
    }
    times = [
        f"{of_kan[grid, program] / of_mlp[grid, beside]:.3g}"
        for program, beside in programs.items()
        for grid in (5, 50, 500)
    ]
    sentence = "pykan over PyTorch's MLP {}, {} and {} times; our PyTorch code {}, {} and {}"
    yield f"{sentence}; our compiled kernels for both {{}}, {{}} and {{}}", *times


def _kept_replays() -> list[tuple[str, Found]]:
    """The folder and the facts of each: figures, then tables, then the appendix."""
    kept = [path.parent.name for path in (RESULTS / "replay").glob("*/replay.json")]
    replays = [(folder, _kept(f"replay/{folder}/replay.json")) for folder in sorted(kept)]
    return sorted(replays, key=lambda replay: ("Fig", "Tab", "App").index(replay[1]["place"][:3]))


def _replays(page: str) -> Iterator[Sentence]:
    """Of paper.md, a row a kept replay: how many points are as published, at which scale, and what
    the whole costs.

    What was found of the paper's claim is a person's sentence, which stays as it stands on the
    page.
    """
    costs = (DOCS.parent / "experiments" / "README.md").read_text(encoding="utf-8")
    claims = {replay.place: replay.claim for replay in REPLAYS.values()}
    lead = re.compile(
        r"Replicates (\d+ of \d+) .*? within a factor of (\d)(?: \((.*?)\))?; (?:(\d+) within)?"
    )
    for folder, facts in _kept_replays():
        scale, *narrowed = facts["scale"].split(", ")
        all_points, factor, kinds, of_seeds = _matched(lead, facts["lead"][0]).groups()
        in_squares = ", squares within 4" if factor == "4" else ""
        points = f"{all_points}{in_squares}{f' ({kinds})' if kinds else ''}"
        points += f"; {of_seeds} more within our seeds" if of_seeds else ""
        (file_name,) = (path.name for path in EXPERIMENTS if folder.startswith(path.stem))
        text = (DOCS.parent / "experiments" / file_name).read_text(encoding="utf-8")
        comment = re.search(rf"^  {scale}: # (.*)$", text, re.MULTILINE)
        words = comment[1] if comment else ""
        if scale != FULL and facts["changes"] != YAML(typ="safe").load(text)["scales"][scale]:
            words = "its settings have changed since; the page has those of these runs"
        of_scale = ", ".join([scale, *narrowed]) + (f": {words}" if words else "")
        missing = "nothing"
        if scale != FULL or narrowed:
            cost = re.search(
                rf"^\| `{file_name}` \| [\d,]+ \| [\d.e]+ \| (\d+)", costs, re.MULTILINE
            )
            missing = (
                f"the full scale: {f'about {cost[1]} core-hours' if cost else MINUTES[file_name]}"
            )
        link = f"[{facts['place']}](../results/replay/{folder}/replay.csv)"
        written = re.search(rf"^\| {re.escape(link)} \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE)
        _check(written is not None, f"docs/paper.md has a row that begins with {link}")
        assert written
        yield link, claims[facts["place"]], written[1], points, of_scale, missing


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.match(text)
    _check(match is not None, f"{pattern.pattern} is in: {text}")
    assert match
    return match


def _exponents() -> Iterator[Sentence]:
    """Of paper.md, a row a published curve of a KAN: its exponent, and ours by each way of
    training; and MLPs'.
    """
    for _, facts in _kept_replays():
        rows = dict[tuple[str, str, str], dict[str, str]]()
        for panel, network, ours, published, *others in facts["exponents"]:
            *slopes, law, _ = others  # of squared errors first theirs, halved
            if law:  # there is none of H1 errors
                name = f"{panel.split()[0]} {network}"
                row = rows.setdefault(
                    (facts["place"], name, slopes[0] if slopes[1:] else published), {}
                )
                way = next((way for way in WAYS if way in ours), "")
                row[way] = law if law[0].isdigit() else f"{slopes[-1]} ({law})"
        for (place, name, published), ways in rows.items():
            yield place, name, published, *(ways.get(way, "–") for way in ("", *WAYS))
            if ends := re.search(r"\[(.*), (.*)\]", ways.get("", "")):
                holds = float(ends[1]) <= float(published) <= float(ends[2])
                _check(holds, f"with uniform knots all exponents agree ({name})")
                reaches = float(ends[2]) >= 4
                _check(reaches != name.startswith("exp4d") or place != "Fig. 3.1", f"{name} and 4")
    points = pd.read_csv(RESULTS / "replay" / FULL_LENGTH / "replay.csv").query(
        "family == 'mlp' and ratio == ratio"
    )
    curves = points[~points["outcome"].str.startswith("not")].groupby(["task", "curve"])
    ranges = []
    for error in ("published", "median"):
        slopes = [
            -np.polyfit(np.log(curve["x"]), np.log(curve[error]), 1)[0] for _, curve in curves
        ]
        ranges.append(f"{min(slopes):.2f} to {max(slopes):.2f}")
    yield "Fig. 3.1", "MLPs of four depths (slopes)", *ranges, "–", "–"


# --------------------------------------------------------------------------------------------------
# README
def _of_readme() -> Iterator[Sentence]:
    """The matched pair, and the sentences below the table of toys."""
    kan, mlp = match_arms(
        ["kan hidden=[5]", "mlp depth=3"],
        MatchSetting("params.trainable", 1000, 2, 1, 1000, None, LBFGS),
    )
    for name in (PARAMS, "params.paper", *(f"flops_forward.{one}" for one in FORWARD)):
        ratio = f"{mlp.ratio_to_first[name]:.3g}"
        yield f"{name} {{}} {{}} {{}}", f"{kan.counts[name]:,}", f"{mlp.counts[name]:,}", ratio

    toys = _toys()
    leaders = {(one["task"], one["runs"]): _leader(one["ratio"]) for one in toys["efforts"]}
    for (task, runs), leader in leaders.items():
        of_few = "second" if runs <= 2 else ""
        _check(
            leader == ("first" if task in ("exp2d", "exp4d") else of_few),
            f"{leader!r} leads {task} with {runs}",
        )
    for task in TASKS:
        estimates = [one["ratio"]["estimate"] for one in toys["efforts"] if one["task"] == task]
        _check(estimates == sorted(estimates), "more runs help KANs more")
    beside = {(one["first"], one["second"], one["task"]): one["ratio"] for one in toys["others"]}
    oracle = [beside["kan_oracle", "mlp", task] for task in TASKS]
    _check(
        all(_leader(one) == "first" for one in oracle),
        "a KAN of the formula's shape leads on all four",
    )
    least, most = (human(end(one["estimate"] for one in oracle), 2) for end in (min, max))
    longer = _kept("verdicts/toys-evening/answer.json")["headline"]
    after = {
        (one["first"], one["second"], one["task"]): _leader(one["ratio"])
        for one in longer["others"]
    }
    ahead = [task for task in TASKS if after["kan_oracle", "mlp", task] == "first"]
    _check(ahead == ["exp2d", "exp4d"], "after longer training the formula's shape leads on two")
    undecided = not any(after["kan", "spline_mlp", task] for task in TASKS)
    _check(undecided, "longer training leaves KANs against spline MLPs undecided")
    at_largest = _by_task(
        [one for one in longer["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")]
    )
    leaders = [_leader(at_largest[task]) for task in TASKS]
    _check(leaders == ["", "first", "", ""], "after longer training KANs lead on exp2d alone")
    yield "leads on all four** by {} to {} times", least, most
    exp2d, xy = (beside["kan", "spline_mlp", task] for task in ("exp2d", "xy"))
    _check(
        (_leader(exp2d), _leader(xy)) == ("first", "second"),
        "spline MLPs lead on x·y and KANs on exp2d",
    )
    splines = "beats the KAN by {} times on x·y and loses by {} times on exp(sin πx + y²)"
    yield splines, human(1 / xy["estimate"], 2), human(exp2d["estimate"], 2)
    yield (
        "On five more tasks it leads on three, {} to {} times, and the KAN on none",
        *_edges_behind(),
    )
    alike, _ = _leads_at_30_000()
    yield "KANs lead MLPs {} times on a tree", human(alike[TREE]["estimate"], 2)
    others = _kept("verdicts/size_and_data/answer.json")["headline"]["others"]
    for sides, leader in ((("spline_mlp", "mlp"), "first"), (("kan", "spline_mlp"), "second")):
        of_pair = _by_task([one for one in others if (one["first"], one["second"]) == sides])
        _check(_leader(of_pair[TEACHER]) == leader, "spline MLPs lead both on the tanh network")
