"""The networks of the harness as `torch.nn.Module`s, for a training loop of your own.

They are evaluated by the same code as in an experiment (`harness.families`), and count the same parameters and FLOPs.
"""

from harness.nn.classes import (
    KAN,
    MLP,
    RBFKAN,
    ChebyshevKAN,
    FourierKAN,
    GatedMLP,
    GroupedChebyshevKAN,
    RationalKAN,
    SplineMLP,
)
from harness.nn.network import NetworkModule, SplinedModule
from harness.nn.trained import TrainedNetwork

__all__ = [
    "KAN",
    "MLP",
    "RBFKAN",
    "ChebyshevKAN",
    "FourierKAN",
    "GatedMLP",
    "GroupedChebyshevKAN",
    "NetworkModule",
    "RationalKAN",
    "SplineMLP",
    "SplinedModule",
    "TrainedNetwork",
]
