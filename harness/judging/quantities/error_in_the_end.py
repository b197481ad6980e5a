"""The training error on the data of all phases when the last one is over."""

from harness.judging.quantity import of_a_column

QUANTITY = of_a_column(
    name="error_in_the_end",
    summary="the training RMSE on all phases after the last one; of two sides its ratio",
    read_at="the end of the last phase",
    what="the training error on all phases after the last one,",
    column="rmse_in_the_end",
    trained_with="phases",
)
