"""What tables, pages and figures call the same things: losses, laws, and an exponent with its interval."""

from collections.abc import Iterable

from harness.base.formats import estimate, exponent
from harness.judging.laws import SeriesLaws
from harness.laws import Fit
from harness.spec import all_axes

LOSS_WORDS = {  # by the metric of tasks
    "rmse": "test RMSE",
    "cross_entropy": "test cross-entropy",
    "excess": "excess cross-entropy",
    "nats_per_token": "test cross-entropy a token",
    "loss": "test loss",
}

COUNTED = {"params": "parameters", "flops_forward": "forward FLOPs", "flops_train": "training FLOPs"}  # by kind


def counted(axis: str) -> str:
    """What is counted on an axis, by any convention; of anybody's table its column."""
    convention = all_axes().get(axis)
    return COUNTED.get(convention.kind, convention.kind) if convention else axis


def loss_words(metrics: Iterable[str]) -> str:
    """What the losses of tasks with these metrics are called."""
    different = set(metrics)
    return loss_word(different.pop()) if len(different) == 1 else "test loss"


def loss_word(metric: str) -> str:
    """What the loss of a task is called, by its metric; a loss of a task's own is called as the task calls it."""
    return LOSS_WORDS.get(metric, f"test {metric}")


def metric_words(columns: Iterable[str]) -> str:
    """What the losses in these columns are called, such as `test_rmse`; those of anybody's table by their own names."""
    different = set(columns)
    (name,) = different if len(different) == 1 else ("test loss",)
    return {f"test_{metric}": words for metric, words in LOSS_WORDS.items()}.get(name, name)


def loss_of_laws(laws: Iterable[SeriesLaws]) -> str:
    """What the losses are called that these laws are of."""
    return metric_words(series.metric for series in laws)


def exponent_words(fit: Fit) -> str:
    """`alpha [low, high]`, or the codes of the refusals; alone where the law was not in the running."""
    if fit.refusals:
        return ", ".join(refusal.code for refusal in fit.refusals)
    if fit.alpha_interval is None:
        return exponent(fit.alpha)
    return estimate(fit.alpha, fit.alpha_interval.low, fit.alpha_interval.high, exponent)
