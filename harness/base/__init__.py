"""What everything stands on: errors, files, provenance, the user's code. It knows nothing of
experiments.
"""
