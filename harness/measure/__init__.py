"""What was measured rather than derived. `bench` needs torch, so nothing here imports it."""
