"""What a CUDA graph would repeat, run on a CPU: the same numbers as evaluations that make new tensors."""

from functools import partial

import torch

from harness.spec import Adam, KanShape, Lbfgs, LevenbergMarquardt, MlpShape, Recipe, RunSpec, Task
from harness.tasks import resolve
from harness.train import torch_engine as engine
from harness.train.captured import InPlace

TASK = resolve(Task(target="exp2d", train_points=60, validation_points=10, test_points=10))
OPTIMISERS = (
    Adam(name="adam", learning_rate=0.01),
    Adam(name="adam", learning_rate=0.01, schedule="cosine"),
    Adam(name="adam", learning_rate=0.01, batch_size=16),
    Lbfgs(name="lbfgs", history=3),
    Lbfgs(name="lbfgs", iterations_per_step=4),
    LevenbergMarquardt(name="levenberg_marquardt"),
)


def test_all_that_an_evaluation_changes_is_in_its_tensors():
    """Thirty evaluations in the same memory end where thirty do that return new tensors, bit for bit."""
    for network in (MlpShape(shape=(2, 4, 1)), KanShape(shape=(2, 3, 1), grid=4)):
        for optimiser in OPTIMISERS:
            recipe = Recipe(optimizer=optimiser, max_evaluations=40)
            runs = [RunSpec(task=TASK, network=network, recipe=recipe, seed=seed) for seed in range(3)]
            pack = engine.prepare(runs)
            begun = engine.begin(pack)
            evaluate = partial(engine._evaluate, pack, network, begun.knots, pack.train)
            indices = [engine._batch(pack, begun, number) for number in range(31)]
            fresh = evaluate(begun.optimiser, indices[0])  # the first one makes the state as large as it will be
            in_place = InPlace(evaluate, fresh, indices[0])
            for index in indices[1:]:
                fresh = evaluate(fresh, index)
                in_place.choose(index)
                in_place.run()
            for name, value in vars(in_place.taken()).items():
                same = torch.equal(value, getattr(fresh, name)) if isinstance(value, torch.Tensor) else True
                assert same, (network.family, optimiser, name)
