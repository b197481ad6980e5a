"""What is counted, and by which convention: the names of axes."""

from typing import Literal

Axis = Literal["params", "flops_forward", "flops_train"]
Convention = Literal[
    "trainable", "stored", "paper", "shared_dense", "local_min", "per_edge", "kanbefair", "matmul", "executed"
]
CountName = Literal[
    "params.trainable",
    "params.stored",
    "params.paper",
    "params.kanbefair",
    "flops_forward.shared_dense",
    "flops_forward.local_min",
    "flops_forward.per_edge",
    "flops_forward.kanbefair",
    "flops_forward.matmul",
    "flops_forward.executed",
    "flops_train.shared_dense",
    "flops_train.local_min",
    "flops_train.per_edge",
    "flops_train.kanbefair",
    "flops_train.matmul",
    "flops_train.executed",
]
DEFAULT_CONVENTION = {"params": "trainable", "flops_forward": "shared_dense", "flops_train": "shared_dense"}
