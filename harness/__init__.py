"""harness: a fair comparison of KANs and MLPs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness import nn
    from harness.base.errors import HarnessError
    from harness.nn.estimators import KANClassifier, KANRegressor, MLPClassifier, MLPRegressor
    from harness.python import (
        compare,
        design,
        fit,
        load_network,
        match,
        new,
        plan,
        read,
        run,
        runs,
        verdicts,
    )

# What is imported when it is first used, and from where: `import harness` takes no time, and never
# needs torch.
_ESTIMATORS = (
    "KANClassifier",
    "KANRegressor",
    "MLPClassifier",
    "MLPRegressor",
)  # which need scikit-learn
_FUNCTIONS = (
    "compare",
    "design",
    "fit",
    "load_network",
    "match",
    "new",
    "plan",
    "read",
    "run",
    "runs",
    "verdicts",
)
_LATER = {
    **dict.fromkeys(_ESTIMATORS, "harness.nn.estimators"),
    "HarnessError": "harness.base.errors",
    **dict.fromkeys(_FUNCTIONS, "harness.python"),
}
__all__ = [
    "HarnessError",
    "KANClassifier",
    "KANRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "compare",
    "design",
    "fit",
    "load_network",
    "match",
    "new",
    "nn",
    "plan",
    "read",
    "run",
    "runs",
    "verdicts",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("harness.nn")
    if name not in _LATER:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
