"""Decision rules evaluated on the runs of their experiments, by their numbers and by nothing
else.
"""
