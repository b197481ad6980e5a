"""What tables, pages and figures call the same things: losses, laws, and an exponent with its
interval.
"""

from collections.abc import Iterable

from harness.base.formats import estimate, exponent
from harness.judging.laws import SeriesLaws
from harness.laws import Estimate, Fit, Interval
from harness.spec.counts import all_axes

LOSS_WORDS = {  # by the metric of tasks
    "rmse": "test RMSE",
    "cross_entropy": "test cross-entropy",
    "excess": "excess cross-entropy",
    "nats_per_token": "test cross-entropy a token",
    "loss": "test loss",
}

COUNTED = {
    "params": "parameters",
    "flops_forward": "forward FLOPs",
    "flops_train": "training FLOPs",
}  # by kind


def counted(axis: str) -> str:
    """What is counted on an axis, by any convention; of anybody's table its column."""
    convention = all_axes().get(axis)
    return COUNTED.get(convention.kind, convention.kind) if convention else axis


def loss_word(metric: str) -> str:
    """What the loss of a task is called, by its metric; a loss of a task's own is called as the
    task calls it.
    """
    return LOSS_WORDS.get(metric, f"test {metric}")


def column_word(column: str) -> str:
    """What the losses in a column such as `test_rmse` are called; those of anybody's table have
    their own name.
    """
    return (
        LOSS_WORDS.get(column.removeprefix("test_"), column)
        if column.startswith("test_")
        else column
    )


def loss_of_laws(laws: Iterable[SeriesLaws]) -> str:
    """What the losses are called that these laws are of."""
    columns = {series.metric for series in laws}
    return column_word(columns.pop()) if len(columns) == 1 else "test loss"


def exponent_words(fit: Fit) -> str:
    """`alpha [low, high]`, or the codes of the refusals; alone where the law was not in the
    running.
    """
    if fit.refusals:
        return ", ".join(refusal.code for refusal in fit.refusals)
    if fit.alpha_interval is None:
        return exponent(fit.alpha)
    return estimate(fit.alpha, fit.alpha_interval.low, fit.alpha_interval.high, exponent)


def estimate_words(estimated: Estimate) -> str:
    """`3.2 [1.1, 9]`."""
    return interval_words(estimated.value, estimated.interval)


def interval_words(value: float | None, interval: Interval | None) -> str:
    """A number with its interval; nothing without one."""
    return "" if value is None or interval is None else estimate(value, interval.low, interval.high)
