"""Code of a user's own, whose fingerprints are part of run ids: that of `wave` is its version, of `Net` this file."""

import numpy as np
import torch
from torch import nn


def wave(x):
    """sin(3x) + y, of points [n, 2]."""
    return np.sin(3 * x[:, 0]) + x[:, 1]


wave.version = 7


class Net(nn.Module):
    """Two layers of weights and tanh."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))
