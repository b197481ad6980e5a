"""What makes a KAN sparse: a penalty on its edges, and which of its nodes are worth keeping.

The norm of an edge is its mean absolute value over the points, |phi|_1 = 1/N sum_n |phi(x_n)|, base
and all (Liu et al. 2024, eq. 2.17), which pykan divides by the range of the edge's knots
(`per_range`). A layer's norm is their sum (eq. 2.18), and its entropy is that of their shares, with
natural logarithms (eq. 2.19; pykan's are of base 2).

Legend: R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import families
from harness.families import KanShape, Network
from harness.families.later import Knots
from harness.spec.recipe import Sparsity
from harness.tasks.loss import LanePoints, Squares, backward

NodeScores = NDArray[np.float64]


@dataclass(frozen=True)
class Penalised(Squares):
    """Squared residuals, and while a KAN trains the penalty on its edges beside their mean."""

    sparsity: Sparsity

    def loss_and_gradient(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> tuple[Tensor, Tensor]:
        """With the penalty, and its gradient."""
        assert isinstance(network, KanShape)
        flat_RP = flat_RP.detach().requires_grad_()
        edges, outputs_RNO = families.edges(network, flat_RP, knots, points.x)
        loss_R = self.of_outputs(outputs_RNO, points.y).mean((1, 2))
        for norm_ROI in norms(self.sparsity, network, edges, knots):
            loss_R = loss_R + self.sparsity.strength * penalty(self.sparsity, norm_ROI)
        return backward(loss_R, flat_RP)


def norms(
    sparsity: Sparsity, network: KanShape, edges: Sequence[Tensor], knots: Knots
) -> Iterator[Tensor]:
    """|phi|_1 of every edge, [R, O, I] a layer; with `per_range` over the range of the knots that
    it looks along.
    """
    for edge_ROIN, knots_RIT in zip(edges, knots, strict=True):
        norm_ROI = edge_ROIN.abs().mean(-1)
        range_RI = knots_RIT[..., -1 - network.order] - knots_RIT[..., network.order]
        yield norm_ROI / range_RI[:, None] if sparsity.per_range else norm_ROI


def penalty(sparsity: Sparsity, norm_ROI: Tensor) -> Tensor:
    """A layer's part of the penalty at strength 1, [R] (eq. 2.20)."""
    norm_RE = norm_ROI.flatten(1)
    total_R = norm_RE.sum(1)
    if not sparsity.entropy:
        return sparsity.l1 * total_R
    tiny = torch.finfo(norm_RE.dtype).tiny  # of an edge that is zero the gradient must stay finite
    share_RE = norm_RE / torch.where(total_R > 0, total_R, 1)[:, None]
    entropy_R = -(share_RE * share_RE.clamp_min(tiny).log()).sum(1)
    return sparsity.l1 * total_R + sparsity.entropy * entropy_R


@torch.no_grad()
def edge_scores(
    sparsity: Sparsity, network: KanShape, flat_RP: Tensor, knots: Knots, x_RNI: Tensor
) -> list[NodeScores]:
    """The norm of every edge of the first lane, [O, I] a layer."""
    edges, _ = families.edges(network, flat_RP, knots, x_RNI)
    return [
        norm_ROI[0].double().cpu().numpy() for norm_ROI in norms(sparsity, network, edges, knots)
    ]


def kept_nodes(scores: Sequence[NodeScores], threshold: float) -> list[list[int]]:
    """The nodes that stay, inputs first and outputs, which all do, last.

    A node stays if the largest scores of its incoming and of its outgoing edges both exceed the
    threshold (eq. 2.21, with both scores of the node's own layer: E14); an input has no incoming
    ones. Edges of nodes that have gone do not count, and so on until no more go, where the paper
    looks once. Of a layer without such a node the best one stays.
    """
    kept = [np.ones(layer.shape[1], bool) for layer in scores] + [np.ones(len(scores[-1]), bool)]
    while True:
        before = [nodes.copy() for nodes in kept]
        for layer, score_OI in enumerate(scores):
            worth = np.where(kept[layer + 1][:, None], score_OI, 0).max(0)
            if layer:
                worth = np.minimum(worth, np.where(kept[layer - 1], scores[layer - 1], 0).max(1))
            best = np.where(kept[layer], worth, -1).argmax()
            kept[layer] &= worth > threshold
            kept[layer][best] = True
        if all(map(np.array_equal, before, kept)):
            return [np.flatnonzero(nodes).tolist() for nodes in kept]
