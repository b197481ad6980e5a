"""From an experiment to what is to be run: sizes solved, settings drawn, runs packed. Nothing
trains here.
"""
