"""Experiment files: what is asked, as frozen data with an identity."""
