"""What a file may say of a search: every mistake is one sentence, and files without one are what they were.

pytest tests/spec/test_search.py
"""

import pytest
from made_searched import TEXT, changed, planned

from harness.base.errors import HarnessError
from harness.planning.plan import make_plan
from harness.spec import content_hash, parse_experiment

MATCH = "match: {axis: params, at: [40, 90], tol: 0.3, solve: {kan: grid, mlp: width}}\n"
RECIPES, ROBUST_RECIPES = "recipes: [lbfgs, levenberg]\nseeds", "recipes: [lbfgs, levenberg], trials"
EFFORT, SEEDS, FRESH = "axis: flops_train, at: [1.0e+6, 4.0e+6]", "seeds: [0, 1]", "seeds: [10, 11, 12]"
SEARCH = f"search:\n  trials: 4\n  {SEEDS}\n  effort: {{{EFFORT}}}\n  recipes: [lbfgs, levenberg]\n"
ROBUST = "robust_to: {recipes: [lbfgs, levenberg], trials: [2], scrambles: [1]}\n"
SPACE = "space: {architecture.order: [2, 3], architecture.noise: {low: 0.03, high: 3.0, log: true}}"
MLP_SPACE = "space: {architecture.activation: [silu, tanh], recipe.gain: {low: 0.5, high: 10.0, log: true}}"
OTHER_ARMS = "".join(f"  {name}: {{architecture: {{family: mlp, depth: 2}}, recipe: lbfgs}}\n" for name in "bc")
OTHER_RULE = "arms: [kan, [mlp, b, c]]"


def said(*changes: tuple[str, str]) -> str:
    with pytest.raises(HarnessError) as caught:
        planned(changed(*changes))
    assert caught.value.exit_code == 2
    return str(caught.value)


# What is changed to what, and what is said of it.
MISTAKES = [
    # The search and the rest of the file.
    ("at: [40, 90]", "at: [40, 40]", "match.at: 40 is given more than once; runs are trained once at each size"),
    (MATCH, "", "search: its runs are solved to the same size, so it needs match:; add it"),
    (
        "axis: params",
        "axis: flops_train",
        "match.axis=flops_train: with search the training work is equal by search.ef",
    ),
    (
        "quantity: test_loss",
        "quantity: best_loss",
        "decide.0.quantity=best_loss: it is of networks that the file names, and search: chooses others; take",
    ),
    (SPACE, "sizes: {grid: [2, 3]}", "arms.kan.sizes: trials are solved to the sizes of match.at; leave it out"),
    ("trials: 4", "trials: 12", ":19: search.trials=12: a Sobol sequence wants a power of two, at least 2; say 16"),
    ("trials: 4", "trials: 1", "search.trials=1: a Sobol sequence wants a power of two, at least 2; say 2"),
    ("trials: 4", "trials: 32768", "trials=32768: a Sobol sequence wants a power of two, at least 2; say 16384"),
    (SEEDS, "seeds: [0]", "search.seeds=[0]: give at least 2"),
    (SEEDS, "seeds: [0, 0]", "search.seeds=[0, 0]: a seed is given more than once"),
    (FRESH, "seeds: [1, 10, 0]", "seeds: [0, 1] are seeds of the search too; winners are confirmed on fresh ones, so"),
    (EFFORT, EFFORT.replace("]", ", 8.0e+5]"), "give one number, or one for each of the 2 budgets of match.at"),
    (EFFORT, "axis: flops_train, at: 0", "search.effort.at.0=0: input should be greater than 0"),
    (EFFORT, "axis: flops_train, at: [1, 2]", "search.effort: flops_train.shared_dense=1 ends before the last stage"),
    (
        EFFORT,
        "axis: flops_train, convention: paper, at: 2e+5",
        "search.effort.convention=paper does not count flops_tr",
    ),
    (EFFORT, "axis: flops_forward, at: 9", "search.effort.axis=\"flops_forward\": did you mean 'flops_train'?"),
    (EFFORT, "axis: evaluations, convention: matmul, at: 9", "convention=matmul: evaluations have none; leave it out"),
    (EFFORT, "axis: evaluations, at: 9.5", "search.effort.at=[9.5]: evaluations are whole numbers"),
    (RECIPES, RECIPES.replace("berg", "burg"), "search.recipes: 'levenburg' is not defined; did you mean 'levenberg'?"),
    (RECIPES, RECIPES.replace("lbfgs", "cosine"), "arms.kan.recipe: 'lbfgs' is not in search.recipes; add it there"),
    (RECIPES, RECIPES.replace("levenberg", "lbfgs"), "recipes=['lbfgs', 'lbfgs']: a recipe is given more than once"),
    # What a verdict must survive.
    (ROBUST_RECIPES, "recipes: [lbfgs], trials", 'robust_to.recipes=["lbfgs"]: give at least 2'),
    (
        ROBUST_RECIPES,
        "recipes: [lbfgs, lbfgs], trials",
        "robust_to.recipes: 'lbfgs' is given more than once",
    ),
    (ROBUST_RECIPES, "recipes: [lbfgs, lm], trials", "robust_to.recipes: 'lm' is not defined; allowed: lbfgs, levenbe"),
    (
        ROBUST_RECIPES,
        "recipes: [lbfgs, cosine], trials",
        "robust_to.recipes: 'cosine' is not in search.recipes; add it",
    ),
    ("trials: [2]", "trials: [1]", "robust_to.trials=[1]: half of the trials is not there; add 2"),
    ("trials: [2]", "trials: [2, 8]", "robust_to.trials: 8 is no power of two below search.trials=4; say [2]"),
    ("trials: [2]", "trials: [2, 3]", "robust_to.trials: 3 is no power of two below search.trials=4; say [2]"),
    ("scrambles: [1]", "scrambles: [1, 1]", ":24: robust_to.scrambles: 1 is given more than once"),
    ("trials: [2]", "trials: [2, 2]", "robust_to.trials: 2 is given more than once"),
    ("scrambles: [1]", "scrambles: [0]", "robust_to.scrambles: 0 is search.scramble itself; choose another seed"),
    # Spaces.
    (SPACE, "space: standart", ":8: arms.kan.space=\"standart\": did you mean 'standard'?"),
    (
        SPACE,
        "space: {recipe.gian: [1, 2]}",
        "arms.kan.space.recipe.gian: no recipe of this arm has it; did you mean 'rec",
    ),
    (
        SPACE,
        "space: {recipe.optimizer.weight_decay: [0.0, 0.1]}",
        "weight_decay: no recipe of this arm has it; weight_decay is a field of optimizer adam; train the arm by that",
    ),
    (
        SPACE,
        "space: {architecture.ordre: [2, 3]}",
        "arms.kan.space.architecture.ordre: no field of this arm; did you mean",
    ),
    (SPACE, "space: {architecture.family: [kan, mlp]}", "arms.kan.space.architecture.family: no field of this arm"),
    (SPACE, "space: {architecture.order: [2]}", ":8: arms.kan.space.architecture.order=[2]: give at least 2"),
    (SPACE, "space: {architecture.order: [2, 2]}", ":8: arms.kan.space.architecture.order: 2 is given more than once"),
    (
        SPACE,
        "space: {architecture.order: 2}",
        ":8: arms.kan.space.architecture.order: give a list of choices or a range",
    ),
    (
        SPACE,
        "space: {architecture.order: [2, 3, 4, 5, 1]}",
        "5 choices, but arm 'kan' gets 4 trials, so some are never",
    ),
    (SPACE, "space: {architecture.order: [2, tree]}", 'arms.kan.space.architecture.order="tree": input should be'),
    (
        SPACE,
        "space: {recipe.optimizer.learning_rate: [0.1, fast]}",
        'space.recipe.optimizer.learning_rate="fast": input',
    ),
    (
        SPACE,
        "space: {recipe.restarts: [{count: 1}, {count: two}]}",
        'space.recipe.restarts.count="two": input should be a valid integer',
    ),
    (
        SPACE,
        "space: {architecture.grid: {low: 3, high: 5}}",
        "arms.kan.space.architecture.grid: match.solve finds this size",
    ),
    (
        SPACE,
        "space: {architecture.noise: {low: 3, high: 3}}",
        ":8: arms.kan.space.architecture.noise.low=3 must be below",
    ),
    (SPACE, "space: {architecture.noise: {low: 0, high: 3, log: true}}", "low=0: a logarithmic range begins above 0"),
    (
        SPACE,
        "space: {architecture.noise: {low: 1, high: 3, lag: true}}",
        "noise.lag: unknown field; did you mean 'log'?",
    ),
    (
        SPACE,
        "space: {architecture.noise: {low: 1, high: 3, when: {x: 1}}}",
        "noise.when.x: no field of this arm; allowed: a",
    ),
    (
        SPACE,
        "space: {recipe: [lbfgs, levenberg]}",
        "arms.kan.space.recipe: search.recipes says among which recipes every",
    ),
    (
        SPACE,
        "space: {recipe.max_evaluations: [2, 5]}",
        "max_evaluations: the search says how many evaluations a run gets",
    ),
    (MLP_SPACE, "space: standard", "arms.mlp.space.architecture.activation: 5 choices, but arm 'mlp' gets 4 trials"),
    # Axes that would give a side more trials than its share.
    (
        "question",
        "grid: {dtype: [float64, float32]}\nquestion",
        "grid: with search an arm is one series a task, and kan is 2",
    ),
]


def test_every_mistake_is_one_sentence_that_names_it():
    """It names the thing as typed, its value, and what to do; a union's inner names are nowhere in it."""
    for old, new, words in MISTAKES:
        told = said((old, new))
        assert words in told, (new, told)
        assert "function-" not in told, told
        assert "\n" not in told or told.startswith("match.at: no cell of tiny.search is feasible"), (new, told)


def test_an_axis_that_would_never_vary_is_refused_with_the_values_that_its_condition_may_have():
    """Of choices, of a range of either kind, of what the file says of the arm, of a size that is solved for."""
    order, gain = "architecture.order: [2, 3]", "recipe.gain: {low: 0.5, high: 10.0}"
    for others, condition, words in (
        (order, "architecture.order: 4", "never 4, so that this axis would never vary; give one of 2, 3"),
        (order, "architecture.order: two", "never 'two', so that this axis would never vary; give one of 2, 3"),
        (order.replace("[2, 3]", "{low: 2, high: 4}"), "architecture.order: 5", "give a whole number from 2 to 4"),
        (order.replace("[2, 3]", "{low: 2, high: 4}"), "architecture.order: 2.5", "give a whole number from 2 to 4"),
        (order.replace("[2, 3]", "{low: 2, high: 4}"), "architecture.order: cubic", "give a whole number from 2 to 4"),
        (gain, "recipe.gain: 10.5", "give a number of 4 digits from 0.5 to 10"),
        (gain, "recipe.gain: 1.23456", "give a number of 4 digits from 0.5 to 10"),
        (order, "recipe: cosine", "give one of lbfgs, levenberg"),
        (order, "architecture.depth: 3", "it is 2 in every trial, unless the space has choices of it"),
        (order, "architecture.grid: 5", "match.solve finds this size for each budget; leave it out here"),
    ):
        path, _, value = condition.partition(":")
        noise = f"architecture.noise: {{low: 0.03, high: 3.0, when: {{{path}:{value}}}}}"
        told = said((SPACE, f"space: {{{others}, {noise}}}"))
        assert told.startswith(f"arms.kan.space.architecture.noise.when.{path}: "), (condition, told)
        assert words in told, (condition, told)


def test_mistakes_of_several_parts():
    """Parts that need each other say so."""
    alone, standard = (SEARCH, ""), (SPACE, "space: standard")
    free = ("  recipes: [lbfgs, levenberg]\n", ""), (ROBUST, "")
    for changes, words in (
        ([alone, (ROBUST, "")], "arms.kan.space: nothing is searched; add search:, or leave the space out"),
        ([alone, (ROBUST, ""), standard], "arms.kan.space: nothing is searched; add search:, or leave the space out"),
        (
            [alone, (SPACE, ""), (MLP_SPACE, "")],
            "robust_to: it says how else to search, and nothing is searched; add se",
        ),
        ([*free, (SPACE, "space: {recipe: [lbfgs, lm]}")], "arms.kan.space.recipe: 'lm' is no recipe; allowed: lbfgs"),
        (
            [*free, (SPACE, "space: {recipe: {low: 1, high: 2}}")],
            "recipes are chosen by their names, such as [lbfgs, le",
        ),
        ([*free, (SPACE, "space: {}")], "arms.kan.space: it is empty, so all trials would be one; say what may vary"),
        (
            [("match: {", OTHER_ARMS + "match: {"), ("arms: [kan, mlp]", OTHER_RULE)],
            "robust_to.trials: 2 are too few for the 3 arms of one side",
        ),
        (
            [
                ("\nsearch", "\n  other: {optimizer: {name: lbfgs}, max_evaluations: 5}\nsearch"),
                ("  recipes: [lbfgs, levenberg]", "  recipes: [lbfgs, levenberg, other]"),
                (ROBUST_RECIPES, "recipes: [lbfgs, other], trials"),
            ],
            "robust_to.recipes=['lbfgs', 'other']: all of them are lbfgs; name recipes of two optimisers at least",
        ),
        ([free[0]], "robust_to.recipes: 'lbfgs' is not in search.recipes; add it there"),
        (
            [
                ("trials: 4", "trials: 2"),
                (ROBUST, ""),
                ("match: {", OTHER_ARMS + "match: {"),
                ("arms: [kan, mlp]", OTHER_RULE),
            ],
            "search.trials=2: too few for the 3 arms of one side",
        ),
    ):
        assert words in said(*changes), changes


def test_trials_are_counted_before_they_are_made():
    """A search of a million runs and more is refused at once."""
    seeds = f"seeds: {[*range(100, 200)]}"
    told = said(("trials: 4", "trials: 16384"), ("trials: [2]", "trials: [8192]"), (SEEDS, seeds))

    assert told.startswith(f"{2 * 2 * 2 * 16384 * 100:,} runs, at most 1,000,000 can be planned")


def test_a_space_without_any_point_that_meets_a_budget_says_why():
    """The plan names the nearest sizes of a point that was tried, once a budget and arm."""
    told = said(("at: [40, 90]", "at: [3, 4]"), ("tol: 0.3", "tol: 0.001"))

    assert told.startswith("match.at: no cell of tiny.search is feasible; change match.at to values named here, or")
    assert "\n  xy kan: params.trainable=3" in told
    assert "of the last point that was tried, {'architecture.order'" in told
    lines = told.splitlines()
    assert len(set(lines)) == len(lines)


def test_experiments_without_a_search_are_what_they_were():
    """No key is new in them, so that their hashes and the ids of their runs stand."""
    without = changed((SEARCH, ""), (ROBUST, ""), (SPACE, ""), (MLP_SPACE, ""))
    experiment = parse_experiment(without)
    plan = make_plan(experiment, "tiny")

    dumped, frozen = experiment.model_dump(mode="json"), plan.model_dump(mode="json")
    assert not {"search", "robust_to"} & set(dumped)
    assert not any("space" in arm for arm in dumped["arms"].values())
    assert not {"spaces", "confirms"} & set(frozen)
    assert not any({"trial", "won"} & set(cell) for cell in frozen["cells"])
    # As the version before the first search had them.
    assert content_hash(experiment) == "03dc5434f95ecf384f9bb4e9aaeb85c96759d83e968ef0c6f8d26baded83d7a1"
    assert [plan.runs[index].run_id for index in (0, -1)] == ["95fea2a528f1e5d8", "47555a4ccb27e67e"]


def test_a_file_says_the_same_after_it_was_written():
    """A plan is frozen as JSON: every kind of axis comes back as it was."""
    text = changed((SPACE, "space: {architecture.order: [2, 3], recipe.grid_updates: [null, {every: 20}]}"))
    for experiment in (parse_experiment(TEXT), parse_experiment(text)):
        again = type(experiment).model_validate_json(experiment.model_dump_json(), strict=True)
        assert again == experiment
        assert content_hash(again) == content_hash(experiment)
