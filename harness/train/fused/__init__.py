"""The fused engine: compiled CPU kernels, one lane at a time."""
