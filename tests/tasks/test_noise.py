"""Functions whose values have noise while they are learnt, and functions written for torch."""

import numpy as np
import pytest

from harness.spec import Task
from harness.tasks import TargetError, draw, resolve

NOISE = 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_training_and_validation_have_noise_and_test_has_none(seed):
    fields = {"target": "exp2d", "train_points": 20_000, "validation_points": 20_000, "test_points": 1000}
    clean, noisy = (draw(resolve(Task(**fields, label_noise=noise)), seed) for noise in (None, NOISE))
    expected = NOISE * clean.train.y.std()
    noises = [getattr(noisy, name).y - getattr(clean, name).y for name in ("train", "validation")]
    for noise in noises:
        assert noise.std() == pytest.approx(expected, rel=0.03)
        assert abs(noise.mean()) < 5 * expected / np.sqrt(20_000)
    assert abs(np.corrcoef(*(noise[:, 0] for noise in noises))[0, 1]) < 0.04
    assert np.array_equal(noisy.test.y, clean.test.y)
    assert np.array_equal(noisy.train.x, clean.train.x)


def test_noise_is_a_task_of_its_own_and_of_functions_alone():
    assert resolve(Task(target="exp2d", label_noise=NOISE)) != resolve(Task(target="exp2d"))
    assert "label_noise" not in resolve(Task(target="exp2d")).model_dump()
    for name in ("poisson", "wine"):
        with pytest.raises(TargetError, match=f"label_noise: {name} is no function"):
            resolve(Task(target=name, label_noise=NOISE))


def test_a_function_of_torch_is_as_good_as_one_of_numpy(tmp_path, monkeypatch):
    (tmp_path / "of_torch.py").write_text(
        "import numpy, torch\n"
        "def ours(x): return torch.sin(x[:, 0]) * x[:, 1].square()\n"
        "def method(x): return x[:, 0].sin() * x[:, 1] ** 2\n"
        "def same(x): return numpy.sin(x[:, 0]) * x[:, 1] ** 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    drawn = [draw(resolve(Task(target=f"of_torch:{name}", inputs=2)), 0).test.y for name in ("ours", "method", "same")]
    assert np.allclose(drawn[0], drawn[2], rtol=1e-14)
    assert np.allclose(drawn[1], drawn[2], rtol=1e-14)
