"""A user's own target, `package.module:function`, identified by its source so that edited code is a new task."""

import inspect

from harness.base.errors import at, did_you_mean
from harness.base.user_code import calling_user_code, user_module, version_of
from harness.tasks.function import Function
from harness.tasks.loss import SQUARES, Loss, Observation, OwnLoss
from harness.tasks.target import TargetError


def load_user_target(reference: str, inputs: int | None) -> Function:
    """The function at `package.module:function`, found from the current folder as well as the Python path."""
    module_name, _, function_name = reference.partition(":")
    if inputs is None:
        example = f"{{target: {reference}, inputs: 2}}"
        raise TargetError(f"target {reference}: say how many variables it has, such as {example}")
    module = user_module(reference, "target", TargetError)
    with calling_user_code(f"target {reference}", TargetError):
        function = getattr(module, function_name, None)
        if not callable(function):
            functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            hint = did_you_mean(function_name, functions)
            raise TargetError(f"target {reference}: {module_name} has no function {function_name!r}; {hint}")
        formula = (inspect.getdoc(function) or reference).splitlines()[0]
    version = version_of(function, reference, "target", TargetError)
    loss, observations = getattr(function, "loss", SQUARES), tuple(getattr(function, "observations", ()))
    for attribute, kind in ((loss, Loss), *((observation, Observation) for observation in observations)):
        if not isinstance(attribute, kind):
            raise TargetError(f"target {reference}: {attribute!r} is no {kind.__name__}; derive its class from that")
    if isinstance(loss, OwnLoss):
        with at(f"target {reference}: loss {loss.metric}"):
            loss.check()
    return Function(function, inputs, formula, source=reference, version=version, loss=loss, observations=observations)
