"""The networks of the harness as `torch.nn.Module`s, for a training loop of your own.

They are evaluated by the same code as in an experiment (`harness.families`), and count the same
parameters and FLOPs.
"""

# `as` exports a name, for who checks types.
from harness.nn.classes import KAN as KAN
from harness.nn.classes import MLP as MLP
from harness.nn.classes import RBFKAN as RBFKAN
from harness.nn.classes import ChebyshevKAN as ChebyshevKAN
from harness.nn.classes import FourierKAN as FourierKAN
from harness.nn.classes import GatedMLP as GatedMLP
from harness.nn.classes import GroupedChebyshevKAN as GroupedChebyshevKAN
from harness.nn.classes import RationalKAN as RationalKAN
from harness.nn.classes import SplineMLP as SplineMLP
from harness.nn.network import NetworkModule as NetworkModule
from harness.nn.network import SplinedModule as SplinedModule
from harness.nn.trained import TrainedNetwork as TrainedNetwork
