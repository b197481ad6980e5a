"""Benchmarks time the same computation: peers make our loss from our parameters, and a checkout its
own code.
"""

import shutil

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter

from benchmarks import blocks, engines, operations, plain, report
from benchmarks.checkouts import BEFORE, ROOT, TODAY, started
from benchmarks.implementations import (
    DENSE,
    FUSED,
    PYKAN,
    TORCH,
    dense,
    fused,
    initial,
    of_mlp,
    pykan,
)
from benchmarks.implementations import batched as in_lanes
from benchmarks.measures import Measured, Work
from harness.families import KanShape, MlpShape
from harness.families.transformer import Transformer

pytestmark = pytest.mark.slow
X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
Y = np.exp(np.sin(np.pi * X[:, :1]) + X[:, 1:] ** 2)


@pytest.mark.parametrize("grid", [5, 50])
def test_everybody_computes_the_same_loss_of_a_kan(grid):
    network = KanShape(shape=(2, 5, 1), grid=grid)
    flat = initial(network)
    makers = {FUSED: fused, TORCH: in_lanes, PYKAN: pykan, DENSE: dense}
    losses = {name: make(network, flat, X, Y).evaluate() for name, make in makers.items()}
    for name, loss in losses.items():
        assert loss == pytest.approx(losses[FUSED], rel=1e-10), name


def test_everybody_computes_the_same_loss_of_an_mlp():
    network = MlpShape(shape=(2, 9, 9, 1))
    losses = [one.evaluate() for one in of_mlp(network, initial(network), X, Y).values()]
    assert len(losses) >= 2
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-12)


def test_a_vmapped_ensemble_trains_as_its_networks_by_themselves():
    x, classes = torch.rand(12, 3, dtype=torch.float64) * 2 - 1, torch.arange(12) % 2
    makers = (lambda: plain.PlainMlp(3, 2, width=4), lambda: plain.PlainKan(3, 2, width=2, grid=4))
    for make in makers:
        networks = [make().double() for _ in range(3)]
        together = plain.ensemble(iter(networks).__next__, x, classes, batch=12, lanes=3)
        alone = [plain.one_network(lambda one=one: one, x, classes, batch=12) for one in networks]
        for training in (together, *alone):
            for _ in range(5):
                training.step()
        for name, stacked in together.parameters.items():
            own = torch.stack([one.parameters[name].detach() for one in alone])
            torch.testing.assert_close(stacked, own, rtol=1e-10, atol=1e-12)


def test_memory_and_operations_are_those_of_the_work():
    """Two arrays of 4 MB at once, two lanes; a fill, two sums and a number that Python waits
    for.
    """

    def run():
        ones = torch.ones(500_000, dtype=torch.float64)
        (ones + 1).sum().item()

    measured = Measured()
    measured.made["work"] = None, Work(run, evaluations=1, lanes=2), 1
    assert measured.peak("work") == pytest.approx(4e6, rel=1e-3)
    found = measured.operations("work")
    assert found["launches"] == 4
    assert found["waits"] == 1
    assert found["megabytes_a_lane"] == pytest.approx((4 + 8 + 4) / 2, rel=1e-3)


def test_plain_blocks_have_the_parameters_of_ours():
    for name, block in blocks.BLOCKS.items():
        described = yaml.safe_load(
            f"{{family: transformer, layers: 2, width: 64, heads: 2, block: {{{block.settings}}}}}"
        )
        ours = (
            TypeAdapter(Transformer).validate_python(described).network_of(10, 30, "", scales=False)
        )
        network = plain.PlainTransformer(3, 10, 64, 2, block.make)
        assert sum(values.numel() for values in network.parameters()) == ours.trainable, name


@pytest.mark.nightly
def test_each_checkout_measures_its_own_code(tmp_path):
    shutil.copytree(
        ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__")
    )
    with started(before=tmp_path) as checkouts:
        folders = {name: checkout.ask("folder") for name, checkout in checkouts.items()}
    assert folders == {BEFORE: str(tmp_path), TODAY: str(ROOT)}


@pytest.mark.nightly
def test_engines_before_and_today_have_both_columns(tmp_path):
    for words in ("all 2 lanes", "user's module", "MLP [24] on digits", "k=3 on digits"):
        found = engines.compare(tmp_path, ROOT, rounds=1, only=words)
        assert (found.table[["before_ms", "today_ms"]] > 0).all(axis=None), words
    (_, page) = report.write(found, tmp_path, load_before=0.0)
    assert "Before is commit" in page.read_text()


@pytest.mark.nightly
def test_operations_of_the_same_code_are_the_same(tmp_path, monkeypatch):
    small = {name: network for name, network in operations.NETWORKS.items() if "64" not in name}
    monkeypatch.setattr(operations, "NETWORKS", small)
    few = {name: (settings, 10) for name, (settings, _) in operations.OPTIMISERS.items()}
    monkeypatch.setattr(operations, "OPTIMISERS", few)
    counts = operations.compare(tmp_path, ROOT).table
    for count in operations.COUNTS:
        assert counts[f"before_{count}"].tolist() == counts[f"today_{count}"].tolist()
    assert (counts["today_launches"] > 0).all()
