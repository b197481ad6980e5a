"""What tables, pages and figures call the same things: losses, laws, and an exponent with its interval."""

from collections.abc import Iterable

from harness.base.formats import estimate, exponent
from harness.laws import Fit

LOSS_WORDS = {"rmse": "test RMSE", "cross_entropy": "test cross-entropy"}  # by the metric of a task
REFUSAL_WORDS = {  # where there is no room for the reason in full
    "TOO_FEW": "too few sizes",
    "RANGE": "sizes too close together",
    "NONMONOTONE": "the error rises with size",
    "STUCK": "the sizes do not determine it",
    "NO_MINIMUM": "no best size",
    "OUTSIDE": "the best size lies outside of those tried",
    "NOT_FALLING": "the error does not fall with size",
    "ONE_NETWORK": "few networks win along the curve",
    "ONE_REPLICATE": "fewer than two replicates",
    "FAILED_REPLICATES": "too many replicates failed",
    "ZERO": "a loss of 0",
}


def loss_words(metrics: Iterable[str]) -> str:
    """What the losses of tasks with these metrics are called."""
    different = set(metrics)
    return LOSS_WORDS[different.pop()] if len(different) == 1 else "test loss"


def metric_words(columns: Iterable[str]) -> str:
    """What the losses in these columns are called, such as `test_rmse`; those of anybody's table by their own names."""
    different = set(columns)
    (name,) = different if len(different) == 1 else ("test loss",)
    return {f"test_{metric}": words for metric, words in LOSS_WORDS.items()}.get(name, name)


def exponent_words(fit: Fit) -> str:
    """`alpha [low, high]`, or the codes of the refusals; alone where the law was not in the running."""
    if fit.refusals:
        return ", ".join(refusal.code for refusal in fit.refusals)
    if fit.alpha_interval is None:
        return exponent(fit.alpha)
    return estimate(fit.alpha, fit.alpha_interval.low, fit.alpha_interval.high, exponent)


def refusal_words(fit: Fit) -> str:
    """The first reason why there is no law, in few words."""
    return REFUSAL_WORDS[fit.refusals[0].code]
