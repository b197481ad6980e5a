"""What one call of torch code has a device do: which operations, how many bytes, and where the host waits."""

import torch

from benchmarks.traced import operations


def test_operations_are_listed_in_order_with_their_bytes_and_without_views():
    """Backward passes are part of the call; memory that is only allocated launches nothing."""
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    done = operations(lambda: torch.autograd.grad((x.T * 2).sum(), x))
    assert [one.name for one in done] == ["mul", "sum", "ones_like", "mul"]
    assert done[0].bytes == 2 * 12 * 8
    assert not any(one.waits for one in done)
    assert [one.launches for one in operations(lambda: torch.empty(3).fill_(1))] == [False, True]


def test_a_host_that_waits_is_found():
    """It asks for a number, for the length of what comes out, or it makes a tensor that the device lacks."""
    x = torch.ones(3)
    on_device = torch.empty(3, device="meta")
    for function in (x.sum().item, lambda: bool(x.any()), x.nonzero, lambda: x[x > 0], lambda: torch.equal(x, x)):
        assert any(one.waits for one in operations(function))
    own = torch.ones(())
    for function in (lambda: own.to(on_device), lambda: on_device * own, lambda: torch.tensor([1.0])):
        assert any(one.waits for one in operations(function))
    assert not any(one.waits for one in operations(lambda: (on_device * 2).masked_fill(on_device > 0, 1)))
