"""Networks in words."""

from harness.spec.module import ModuleShape
from harness.spec.networks import MlpShape, Network, SplineMlpShape

SIZES = {
    "grid": "G",
    "order": "k",
    "features": "F",
    "degree": "D",
    "harmonics": "H",
    "numerator": "m",
    "denominator": "n",
    "groups": "g",
}


def network_words(network: Network) -> str:
    """A network in words: its nodes, and what its basis has beside the defaults; of a user's module its size."""
    if isinstance(network, ModuleShape):
        return f"{network.module.partition(':')[2]} {network.size}={network.value}"
    sizes = {letter: getattr(network, name, None) for name, letter in SIZES.items()}
    basis = "".join(f" {letter}={size}" for letter, size in sizes.items() if size is not None)
    basis += f" {network.activation}" if isinstance(network, MlpShape) and network.activation != "silu" else ""
    basis += f" rank={network.rank}" if isinstance(network, SplineMlpShape) and network.rank > 1 else ""
    return f"[{','.join(map(str, network.shape))}]{basis}"
