"""What a file may say of a search: every mistake is one sentence, and files without one are what
they were.
"""

from commands import refused
from made_searched import TEXT, changed, planned

from harness.spec.read import parse_experiment
from harness.spec.run import content_hash

MATCH = "match: {axis: params, at: [40, 90], tol: 0.3, solve: {kan: grid, mlp: width}}\n"
RECIPES = "recipes: [lbfgs, levenberg]\ndecide"
CAP = "cap: {flops_train.shared_dense: 4.0e+6}"
SEARCH = f"search:\n  runs: 4\n  replicates: 2\n  {CAP}\n  recipes: [lbfgs, levenberg]\n"
SPACE = "space: {architecture.order: [2, 3], architecture.noise: {low: 0.03, high: 3.0, log: true}}"
OTHER_ARMS = "".join(
    f"  {name}: {{architecture: {{family: mlp, depth: 2}}, recipe: lbfgs}}\n" for name in "bc"
)
OTHER_RULE = "sides: [kan, [mlp, b, c]]"


def said(*changes: tuple[str, str]) -> str:
    return refused(planned, changed(*changes))


# What is changed to what, and what is said of it.
MISTAKES = [
    # The search and the rest of the file.
    (
        "at: [40, 90]",
        "at: [40, 40]",
        "match.at: 40 is given more than once; runs are trained once at each size",
    ),
    (MATCH, "", "search: its runs are solved to the same size, so it needs match:; add it"),
    (
        "axis: params",
        "axis: flops_train",
        "match.axis=flops_train: with search the training work is equal by",
    ),
    (
        "quantity: test_loss",
        "quantity: edges",
        "decide.0.quantity=edges: it is of networks that the file names, and",
    ),
    (
        SPACE,
        "sizes: {grid: [2, 3]}",
        "arms.kan.sizes: runs are solved to the sizes of match.at; leave it out",
    ),
    ("runs: 4", "runs: 0", ":19: search.runs=0: input should be greater than or equal to 1"),
    (
        "replicates: 2",
        "replicates: 1",
        ":20: search.replicates=1: input should be greater than or equal to 2",
    ),
    (
        CAP,
        CAP.replace("4.0e+6", "[1.0e+6, 4.0e+6]"),
        "search.cap.flops_train.shared_dense=[1e6, 4e6]: a number is expected",
    ),
    (
        CAP,
        "cap: {flops_train.shared_dense: 0}",
        "cap.flops_train.shared_dense=0: input should be greater than 0",
    ),
    (
        CAP,
        "cap: {flops_train.shared_dense: 1}",
        "search.cap: flops_train.shared_dense=1 ends before the last",
    ),
    (
        CAP,
        "cap: {flops_train.paper: 2e+5}",
        "search.cap={flops_train.paper}: give one of evaluations, seconds",
    ),
    (
        "question",
        "seeds: [0, 1, 2]\nquestion",
        "seeds=[0, 1, 2]: with search: the replicates are the seeds",
    ),
    (
        CAP,
        CAP.replace("}", ", evaluations: 10}"),
        "search.cap={flops_train.shared_dense, evaluations}: give one of",
    ),
    (
        CAP,
        "cap: {evaluations: 9.5}",
        "search.cap={evaluations: 9.5}: evaluations are whole numbers",
    ),
    (
        RECIPES,
        RECIPES.replace("berg", "burg"),
        "search.recipes: 'levenburg' is not defined; did you mean 'levenberg'?",
    ),
    (
        RECIPES,
        RECIPES.replace("lbfgs", "cosine"),
        "arms.kan.recipe: 'lbfgs' is not in search.recipes; add it there",
    ),
    (
        RECIPES,
        RECIPES.replace("levenberg", "lbfgs"),
        "recipes=['lbfgs', 'lbfgs']: a recipe is given more than once",
    ),
    (SPACE, "space: standart", ":8: arms.kan.space=\"standart\": did you mean 'standard'?"),
    # Axes that would give a side more runs than its share.
    (
        "question",
        "grid: {dtype: [float64, float32]}\nquestion",
        "grid: with search an arm is one series a task, and",
    ),
]
SPACES = [  # what an arm's space says, and what is said of it
    ("recipe.gian: [1, 2]", "recipe.gian: no recipe of this arm has it; did you mean 'rec"),
    (
        "recipe.optimizer.weight_decay: [0.0, 0.1]",
        "weight_decay: no recipe of this arm has it; weight_decay is a",
    ),
    ("architecture.ordre: [2, 3]", "architecture.ordre: no field of this arm; did you mean"),
    ("architecture.family: [kan, mlp]", "architecture.family: no field of this arm"),
    ("architecture.order: [2]", ":8: arms.kan.space.architecture.order=[2]: give at least 2"),
    (
        "architecture.order: [2, 2]",
        ":8: arms.kan.space.architecture.order: 2 is given more than once",
    ),
    (
        "architecture.order: 2",
        ":8: arms.kan.space.architecture.order: give a list of choices or a range",
    ),
    ("architecture.order: [2, tree]", 'architecture.order="tree": a whole number is expected'),
    (
        "recipe.optimizer.learning_rate: [0.1, fast]",
        'space.recipe.optimizer.learning_rate="fast": a number is',
    ),
    (
        "recipe.restarts: [{count: 1}, {count: two}]",
        'recipe.restarts.count="two": a whole number is expected; write 2',
    ),
    ("architecture.grid: {low: 3, high: 5}", "architecture.grid: match.solve finds this size"),
    (
        "architecture.noise: {low: 3, high: 3}",
        ":8: arms.kan.space.architecture.noise.low=3 must be below",
    ),
    (
        "architecture.noise: {low: 0, high: 3, log: true}",
        "low=0: a logarithmic range begins above 0",
    ),
    (
        "architecture.noise: {low: 1, high: 3, lag: true}",
        "noise.lag: unknown field; did you mean 'log'?",
    ),
    (
        "architecture.noise: {low: 1, high: 3, when: {x: 1}}",
        "noise.when.x: no field of this arm; allowed: a",
    ),
    ("recipe: [lbfgs, levenberg]", "recipe: search.recipes says among which recipes every"),
    (
        "recipe.max_evaluations: [2, 5]",
        "max_evaluations: the search says how many evaluations a run gets",
    ),
]


def test_every_mistake_is_one_sentence_that_names_it():
    """It names the thing as typed, its value, and what to do; a union's inner names are nowhere in
    it.
    """
    for old, new, words in [
        *MISTAKES,
        *((SPACE, f"space: {{{axis}}}", words) for axis, words in SPACES),
    ]:
        told = said((old, new))
        assert words in told, (new, told)
        assert "function-" not in told, told
        assert "\n" not in told or told.startswith("match.at: no cell of tiny is feasible"), (
            new,
            told,
        )


def test_an_axis_that_would_never_vary_is_refused_with_the_values_that_its_condition_may_have():
    order, gain = "architecture.order: [2, 3]", "recipe.gain: {low: 0.5, high: 10.0}"
    for others, condition, words in (
        (
            order,
            "architecture.order: 4",
            "never 4, so that this axis would never vary; give one of 2, 3",
        ),
        (
            order,
            "architecture.order: two",
            "never 'two', so that this axis would never vary; give one of 2, 3",
        ),
        (
            order.replace("[2, 3]", "{low: 2, high: 4}"),
            "architecture.order: 5",
            "give a whole number from 2 to 4",
        ),
        (
            order.replace("[2, 3]", "{low: 2, high: 4}"),
            "architecture.order: 2.5",
            "give a whole number from 2 to 4",
        ),
        (
            order.replace("[2, 3]", "{low: 2, high: 4}"),
            "architecture.order: cubic",
            "give a whole number from 2 to 4",
        ),
        (gain, "recipe.gain: 10.5", "give a number of 4 digits from 0.5 to 10"),
        (gain, "recipe.gain: 1.23456", "give a number of 4 digits from 0.5 to 10"),
        (order, "recipe: cosine", "give one of lbfgs, levenberg"),
        (
            order,
            "architecture.depth: 3",
            "it is 2 in every run, unless the space has choices of it",
        ),
        (
            order,
            "architecture.grid: 5",
            "match.solve finds this size for each budget; leave it out here",
        ),
    ):
        path, _, value = condition.partition(":")
        noise = f"architecture.noise: {{low: 0.03, high: 3.0, when: {{{path}:{value}}}}}"
        told = said((SPACE, f"space: {{{others}, {noise}}}"))
        assert told.startswith(f"arms.kan.space.architecture.noise.when.{path}: "), (
            condition,
            told,
        )
        assert words in told, (condition, told)


def test_mistakes_of_several_parts():
    alone, standard = (SEARCH, "seeds: [0]\n"), (SPACE, "space: standard")
    free = [("  recipes: [lbfgs, levenberg]\n", "")]
    for changes, words in (
        ([alone], "arms.kan.space: nothing is searched; add search:, or leave the space out"),
        (
            [alone, standard],
            "arms.kan.space: nothing is searched; add search:, or leave the space out",
        ),
        (
            [*free, (SPACE, "space: {recipe: [lbfgs, lm]}")],
            "arms.kan.space.recipe: 'lm' is no recipe; allowed: lbfgs",
        ),
        (
            [*free, (SPACE, "space: {recipe: {low: 1, high: 2}}")],
            "recipes are chosen by their names, such as [lbfgs,",
        ),
        (
            [
                ("runs: 4", "runs: 2"),
                ("match: {", OTHER_ARMS + "match: {"),
                ("sides: [kan, mlp]", OTHER_RULE),
            ],
            "search.runs=2: too few for the 3 arms of one side",
        ),
    ):
        assert words in said(*changes), changes


def test_a_space_without_any_point_that_meets_a_budget_says_why():
    told = said(("at: [40, 90]", "at: [3, 4]"), ("tol: 0.3", "tol: 0.001"))
    never = "0 of 4 settings of replicate 0 can have it: params.trainable=3"
    assert told.startswith(
        "match.at: no cell of tiny is feasible; change match.at to values named here, or"
    )
    assert f"\n  xy kan: {never}" in told
    assert "of the last point that was tried, {'architecture.order'" in told
    lines = told.splitlines()
    assert len(set(lines)) == len(lines)


def test_sides_get_equally_many_runs_and_share_them_evenly():
    search = parse_experiment(TEXT).search
    for runs, arms in ((64, 4), (16, 3), (19, 7), (5, 5)):
        shares = search.model_copy(update={"runs": runs}).shares(arms)
        assert (sum(shares), len(shares)) == (runs, arms)
        assert shares == tuple(sorted(shares, reverse=True))
        assert shares[0] - shares[-1] <= 1


def test_a_file_says_the_same_after_it_was_written():
    text = changed(
        (SPACE, "space: {architecture.order: [2, 3], recipe.grid_updates: [null, {every: 20}]}")
    )
    for experiment in (parse_experiment(TEXT), parse_experiment(text)):
        again = type(experiment).model_validate_json(experiment.model_dump_json(), strict=True)
        assert again == experiment
        assert content_hash(again) == content_hash(experiment)
