"""Pages that need nothing else: the report of an experiment, and verdicts; their templates."""
