"""From an experiment to what is to be run: sizes solved, trials drawn, winners chosen. Nothing trains here."""
