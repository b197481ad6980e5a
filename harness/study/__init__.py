"""An experiment from its file to its answer: planned, trained or sent off, kept, judged. Nothing here prints.

The command line and Python stand on it. Who wants to hear how work goes on gives a `listening.Listener`.
"""
