"""Optimiser loops in compiled code, one lane each: L-BFGS, Adam and Levenberg-Marquardt on the
fused kernels.

    state = lbfgs.start(settings, position_P) state = lbfgs.advance(settings, state, problem,
    evaluations)      # at most so many more, then Python has a look

A *problem* is all that a kernel needs beside the position: the tuple (loss, kind, sizes, knots,
x_IN, y_ON, work). Its loss is SQUARES or CROSS_ENTROPY, and batches want x_NI and y_NO (see
`adam`). States are frozen; `advance` works on a copy.
"""
