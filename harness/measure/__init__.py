"""What was measured rather than derived. `executed` needs torch, so nothing here imports it."""
