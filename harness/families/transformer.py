"""Decoder transformers (Vaswani et al. 2017; pre-norm, as GPT-2) whose feed-forward block is a
network of any family.

    h = E[token] + P[position]
    in each layer:  h = h + attention(norm(h));  h = h + block(norm(h))
    logits = norm(h) U + c

Positions are learned, attention is causal, and U is not tied to E. A point is a sequence of
`context` tokens, which the network is given as numbers; of each position it gives the logits of the
next token, one behind the other.

All but the blocks is the *backbone*, a part of its own: two transformers with one backbone, at
equal seed, begin with the same bits there, whatever their blocks are. Without blocks it is a
transformer of attention alone.

Shape suffixes: R lanes, N sequences, T positions, V tokens of the vocabulary, D width, M = N T
positions of all sequences, H heads, C numbers of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, prod, sqrt
from typing import Any, Literal

from pydantic import PositiveInt, model_validator

from harness.base.errors import HarnessError
from harness.base.frozen import Positive
from harness.families.base import SAMPLE_BLOCK, ClosedForm
from harness.families.blocks import Block, BlockNetwork
from harness.families.expansion import NORM_EPSILON
from harness.families.later import F, Knots, Tensor, np, product, torch
from harness.families.parts import PartedShape, PartOfLanes
from harness.families.rbf_kan import LAYER_NORM_OPERATIONS
from harness.families.shape import Prices, ShapeBase

SPREAD = (
    0.02  # standard deviation of embeddings and weights at the start (GPT-2, Radford et al. 2019)
)
# Where splines of a block begin and end, unless the file says: what LayerNorm gives has variance 1,
# so that on [-1, 1] a third of it would lie outside.
BLOCK_DOMAIN = {"low": -3.0, "high": 3.0}


class BackboneShape(ShapeBase):
    """All of a transformer but its blocks."""

    family: Literal["backbone"] = "backbone"
    shape: tuple[PositiveInt, ...]  # context, and context times vocabulary
    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt
    head_width: PositiveInt

    @property
    def context(self) -> int:
        """Positions of a sequence."""
        return self.inputs

    @property
    def vocabulary(self) -> int:
        """Different tokens."""
        return self.outputs // self.inputs

    @property
    def words(self) -> str:
        return f"L={self.layers} d={self.width} H={self.heads}"

    @property
    def long_words(self) -> str:
        return (
            f"{self.layers} layers of width {self.width}, {self.heads} heads of width "
            f"{self.head_width}"
        )

    # ----------------------------------------------------------------------------------------------
    # parameters
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        width, of_heads = self.width, self.heads * self.head_width
        shapes: dict[str, tuple[int, ...]] = {
            "token": (self.vocabulary, width),
            "position": (self.context, width),
        }
        for layer in range(self.layers):
            shapes |= {f"{layer}.norm.scale": (width,), f"{layer}.norm.shift": (width,)}
            for name in ("query", "key", "value"):
                shapes |= {
                    f"{layer}.{name}.weight": (width, of_heads),
                    f"{layer}.{name}.bias": (of_heads,),
                }
            shapes |= {f"{layer}.out.weight": (of_heads, width), f"{layer}.out.bias": (width,)}
            shapes |= {f"{layer}.block_norm.scale": (width,), f"{layer}.block_norm.shift": (width,)}
        shapes |= {"norm.scale": (width,), "norm.shift": (width,)}
        return shapes | {
            "logits.weight": (width, self.vocabulary),
            "logits.bias": (self.vocabulary,),
        }

    def draw_lane(self, generator: np.random.Generator, gain: float) -> np.ndarray:
        """As GPT-2: N(0, 0.02^2), what writes into the residual stream over sqrt(2 layers); a gain
        is of blocks.
        """
        return np.concatenate(
            [self._drawn(name, shape, generator) for name, shape in self.parameter_shapes().items()]
        )

    def _drawn(
        self, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        if name.endswith("scale"):
            return np.ones(prod(shape))
        if name.endswith(("shift", "bias")):
            return np.zeros(prod(shape))
        spread = SPREAD / sqrt(2 * self.layers) if name.endswith("out.weight") else SPREAD
        return spread * generator.standard_normal(prod(shape))

    @property
    def trainable(self) -> int:
        return sum(map(prod, self.parameter_shapes().values()))

    @property
    def embedding_parameters(self) -> int:
        """Those of tokens, positions and logits."""
        return (2 * self.vocabulary + self.context) * self.width + self.vocabulary

    # ----------------------------------------------------------------------------------------------
    # evaluation
    def forward(self, parameters: Mapping[str, Tensor], knots: Knots, x_RNI: Tensor) -> Tensor:
        return self.logits(parameters, self.states(parameters, x_RNI, ())[-1])

    def states(
        self, parameters: Mapping[str, Tensor], x_RNT: Tensor, blocks: Sequence[PartOfLanes]
    ) -> list[Tensor]:
        """The residual stream [R, N, T, D]: after the embedding, then after each attention and
        after each block.
        """
        sequences = x_RNT.shape[1]
        missing = -sequences % (
            SAMPLE_BLOCK // gcd(SAMPLE_BLOCK, self.context)
        )  # so that positions fill whole vectors
        h_RNTD = self._embedded(parameters, F.pad(x_RNT, (0, 0, 0, missing)) if missing else x_RNT)
        states = [h_RNTD]
        for layer in range(self.layers):
            h_RNTD = h_RNTD + self._attended(parameters, layer, h_RNTD)
            states.append(h_RNTD)
            if blocks:
                normed_RMD = _normed(parameters, f"{layer}.block_norm", h_RNTD).flatten(1, 2)
                h_RNTD = h_RNTD + blocks[layer](normed_RMD).view_as(h_RNTD)
                states.append(h_RNTD)
        return [state[:, :sequences] for state in states]

    def logits(self, parameters: Mapping[str, Tensor], h_RNTD: Tensor) -> Tensor:
        """Of the next token at every position, [R, N, T V]."""
        return _mapped(parameters, "logits", _normed(parameters, "norm", h_RNTD)).flatten(2)

    def _embedded(self, parameters: Mapping[str, Tensor], x_RNT: Tensor) -> Tensor:
        """Rows of one table of all lanes: a lane's own gradient adds up in the order of its own
        tokens.
        """
        first_R11 = self.vocabulary * torch.arange(len(x_RNT), device=x_RNT.device)[:, None, None]
        of_tokens_RNTD = F.embedding(x_RNT.long() + first_R11, parameters["token"].flatten(0, 1))
        return of_tokens_RNTD + parameters["position"][:, None]

    def _attended(self, parameters: Mapping[str, Tensor], layer: int, h_RNTD: Tensor) -> Tensor:
        """What causal attention over the earlier positions adds."""
        normed_RNTD = _normed(parameters, f"{layer}.norm", h_RNTD)
        query, key, value = (
            self._by_head(parameters, f"{layer}.{name}", normed_RNTD) for name in HEADED
        )
        seen_AHTC = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        lanes, sequences = h_RNTD.shape[:2]
        joined = seen_AHTC.transpose(1, 2).reshape(lanes, sequences, self.context, -1)
        return _mapped(parameters, f"{layer}.out", joined)

    def _by_head(self, parameters: Mapping[str, Tensor], name: str, h_RNTD: Tensor) -> Tensor:
        """[R N, H, T, C]."""
        of_heads = _mapped(parameters, name, h_RNTD).flatten(0, 1)
        return of_heads.unflatten(2, (self.heads, self.head_width)).transpose(1, 2)

    # ----------------------------------------------------------------------------------------------
    # counts
    def flops(self, convention: str, prices: Prices) -> list[int]:
        """Of a sequence: embedding, each layer's attention with norms and residuals, and the
        logits.

        A masked kernel computes the scores of all positions, which `local_min` does not: it counts
        those seen.
        """
        width, of_heads, tokens = self.width, self.heads * self.head_width, self.context
        pairs = tokens * (tokens + 1) // 2 if convention == "local_min" else tokens * tokens
        maps = tokens * 8 * width * of_heads
        logits = tokens * 2 * width * self.vocabulary
        if convention == "matmul":
            return [0, *[maps + 4 * of_heads * pairs] * self.layers, logits]
        scores = pairs * (4 * of_heads + (3 + prices["exp"]) * self.heads)
        norms_and_residuals = tokens * 2 * (LAYER_NORM_OPERATIONS + 1) * width
        last = tokens * LAYER_NORM_OPERATIONS * width + logits
        return [tokens * width, *[maps + scores + norms_and_residuals] * self.layers, last]

    def evaluation_flops(self, convention: str, prices: Prices) -> int:
        """Three times the forward pass: everything stands behind parameters."""
        return 3 * sum(self.flops(convention, prices))

    def executed_forward(self, prices: Prices) -> int:
        return sum(self.flops("shared_dense", prices))

    def executed_evaluation(self, prices: Prices) -> int:
        """Taken to be three times the forward pass, and the cross-entropy of every token."""
        return 3 * self.executed_forward(prices) + 6 * self.outputs


HEADED = ("query", "key", "value")


def _normed(parameters: Mapping[str, Tensor], name: str, h_RNTD: Tensor) -> Tensor:
    standard_RNTD = F.layer_norm(h_RNTD, h_RNTD.shape[-1:], eps=NORM_EPSILON)
    scale_RD, shift_RD = parameters[f"{name}.scale"], parameters[f"{name}.shift"]
    return standard_RNTD * scale_RD[:, None, None] + shift_RD[:, None, None]


def _mapped(parameters: Mapping[str, Tensor], name: str, h_RNTI: Tensor) -> Tensor:
    """A linear map of every position of all lanes, [R, N, T, O]."""
    bias_RO, weight_RIO = parameters[f"{name}.bias"], parameters[f"{name}.weight"]
    mapped_RMO = product.product(h_RNTI.flatten(1, 2), weight_RIO, bias_RO[:, None])
    return mapped_RMO.unflatten(1, h_RNTI.shape[1:3])


class TransformerShape(PartedShape):
    """A resolved transformer; all its blocks have the sizes of `block`."""

    family: Literal["transformer"] = "transformer"
    shape: tuple[PositiveInt, ...]
    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt
    head_width: PositiveInt
    block: BlockNetwork

    @property
    def backbone(self) -> BackboneShape:
        """All but the blocks."""
        sizes = {
            name: getattr(self, name) for name in BackboneShape.model_fields if name != "family"
        }
        return BackboneShape(**sizes)

    @property
    def parts(self) -> dict[str, ShapeBase]:
        return {"backbone": self.backbone} | {
            f"block{layer}": self.block for layer in range(self.layers)
        }

    @property
    def words(self) -> str:
        return f"{self.backbone.words} {self.block.family} {self.block.words}"

    @property
    def long_words(self) -> str:
        return f"transformer, {self.backbone.long_words}, blocks: {self.block.long_words}"

    @property
    def dashed(self) -> str:
        return self.words

    # ----------------------------------------------------------------------------------------------
    # evaluation
    def forward(self, parameters: Mapping[str, Tensor], knots: Knots, x_RNI: Tensor) -> Tensor:
        backbone = self.of_lanes(parameters, knots)["backbone"]
        return self.backbone.logits(backbone.parameters, self.states(parameters, knots, x_RNI)[-1])

    def states(self, parameters: Mapping[str, Tensor], knots: Knots, x_RNT: Tensor) -> list[Tensor]:
        """The residual stream, see `BackboneShape.states`."""
        backbone, *blocks = self.of_lanes(parameters, knots).values()
        return self.backbone.states(backbone.parameters, x_RNT, blocks)

    def check(self, dtype: str) -> None:
        self.block.check(dtype)

    def without_levenberg(self) -> str | None:
        return "levenberg_marquardt has no Jacobian of a transformer; use adam"

    def torch_version(self, knots_move: bool) -> int:
        return self.block.torch_version(knots_move)

    # ----------------------------------------------------------------------------------------------
    # counts
    def parameters_by(self, convention: str) -> int | None:
        if convention == "non_embedding":
            return self.trainable - self.backbone.embedding_parameters
        return self.layers * self.block.trainable if convention == "blocks" else None

    def flops(self, convention: str, prices: Prices) -> list[int]:
        """Of a sequence: those of the backbone, then those of all blocks, layer by layer."""
        of_blocks = [
            self.backbone.context * self.layers * flops
            for flops in self.block.flops(convention, prices)
        ]
        return [*self.backbone.flops(convention, prices), *of_blocks]

    def evaluation_flops(self, convention: str, prices: Prices) -> int:
        return 3 * sum(self.flops(convention, prices))

    def executed_forward(self, prices: Prices) -> int:
        tokens = self.backbone.context * self.layers
        return self.backbone.executed_forward(prices) + tokens * self.block.executed_forward(prices)

    def executed_evaluation(self, prices: Prices) -> int:
        """Blocks as they run, where somebody asks for the gradient by what they are given."""
        layers = [layer._replace(needs_input_gradient=True) for layer in self.block.layers]
        of_block = self.block.executed_forward(prices) + sum(map(self.block.layer_backward, layers))
        tokens = self.backbone.context * self.layers
        return self.backbone.executed_evaluation(prices) + tokens * of_block

    def numbers_left(self, prices: Prices) -> int:
        """Norms, maps and residuals leave 6 numbers a node, attention 5 a number of a head, and no
        matrix of scores.

        Of nine kinds of block all together are .9 to 1.4 times what torch is seen to save. A
        quarter more is at work at once, and a token's logits are there three times.
        """
        of_backbone = 6 * self.width + 5 * self.heads * self.head_width
        of_block = sum(map(self.block.numbers_of_layer, self.block.layers))
        of_layers = self.layers * (of_backbone + of_block)
        return self.backbone.context * (3 * self.width + of_layers) * 5 // 4 + 3 * self.outputs


class Transformer(ClosedForm):
    """A decoder transformer of `layers` times attention and a feed-forward `block`, a network of
    any other family.

    The block has two layers of weights if it does not say, and `expansion` times as many hidden
    nodes as the width if nothing else says or solves for its width. Splines of a block lie on [-3,
    3] if it does not say.
    """

    network = TransformerShape
    colour = "#99DDFF"  # of no arm: these have the colours of their blocks
    sizes = ("layers", "block.width", "block.grid")
    reads_tokens = True

    family: Literal["transformer"]
    layers: PositiveInt | None = None
    width: PositiveInt | None = None
    heads: PositiveInt = 1
    head_width: PositiveInt | None = None
    block: Block
    expansion: Positive = 4.0

    @model_validator(mode="before")
    @classmethod
    def _block_has_two_layers(cls, fields: Any) -> Any:
        block = fields.get("block") if isinstance(fields, dict) else None
        if isinstance(block, dict) and not {"hidden", "depth"} & block.keys():
            return {**fields, "block": {**block, "depth": 2}}
        return fields

    @property
    def drawn_as(self) -> str:
        return self.block.family

    def open_sizes(self) -> list[str]:
        sizes = [name for name in ("layers", "width") if getattr(self, name) is None]
        return [*sizes, *(f"block.{name}" for name in self.block.open_sizes())]

    def has_size(self, name: str) -> bool:
        place, _, size = name.partition(".")
        return self.block.has_size(size) if place == "block" else super().has_size(name)

    def with_size(self, name: str, value: Any, where: str) -> Transformer:
        place, _, size = name.partition(".")
        if place != "block":
            return super().with_size(name, value, where)
        return self.model_copy(
            update={"block": self.block.with_size(size, value, f"{where}.block")}
        )

    def network_of(self, inputs: int, outputs: int, where: str, scales: bool) -> TransformerShape:
        """Its heads share the width among them, unless `head_width` says otherwise."""
        if missing := [name for name in ("layers", "width") if getattr(self, name) is None]:
            raise HarnessError(
                f"{where}.{missing[0]} is missing: give it, or let match.solve find it"
            )
        assert self.layers
        assert self.width
        if self.head_width is None and self.width % self.heads:
            raise HarnessError(
                f"{where}.heads={self.heads}: they do not divide width={self.width}; give "
                "head_width, or other heads"
            )
        block = self.block
        if "width" in block.open_sizes():
            block = block.with_size(
                "width", max(1, round(self.expansion * self.width)), f"{where}.block"
            )
        domain = {
            name: end for name, end in BLOCK_DOMAIN.items() if name in type(block).model_fields
        }
        block = block.model_copy(
            update={name: end for name, end in domain.items() if getattr(block, name) is None}
        )
        return TransformerShape(
            shape=(inputs, outputs),
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            head_width=self.head_width or self.width // self.heads,
            block=block.network_of(self.width, self.width, f"{where}.block", scales),
        )
