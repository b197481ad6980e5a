"""An experiment from its file to its answer: planned, trained or sent off, kept, judged. Nothing
here prints.

The command line and Python stand on it, and give it the `show.console.Terminal` that says how work
goes on.
"""
