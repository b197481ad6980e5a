"""Transformers train as jobs of a cluster, to the bits that they have here."""

import pytest
from sweeps import assert_completes, sweep

pytestmark = pytest.mark.slurm

SWAP = """question: Do transformers train on nodes?
tasks: {target: mess3, context: 4, train_points: 32, validation_points: 32, test_points: 64}
arms:
  kan: {architecture: {family: transformer, layers: 1, block: {family: kan, grid: 3}}, recipe: adam}
  mlp: {architecture: {family: transformer, layers: 1, block: {family: mlp}}, recipe: adam, sizes: {width: [8]}}
match: {axis: params, like: mlp, solve: block.width, tol: 0.25}
recipes: {adam: {optimizer: {name: adam, batch_size: 16}, max_evaluations: 40}}
seeds: [0, 1]
dtype: float32
"""


def test_a_sweep_of_transformers(testbed, tmp_path):
    swept = sweep(tmp_path)
    swept.file.write_text(SWAP, encoding="utf-8")
    assert "4 runs" in swept.submit()
    assert_completes(swept)
