"""How many times larger training errors are when the last phase is over than right after each phase."""

from harness.judging.quantity import of_a_column

QUANTITY = of_a_column(
    name="forgetting",
    summary="the mean training error in the end over that right after each phase; of two sides its ratio",
    read_at="the end of the last phase",
    what="the growth of training errors after their phases,",
    column="forgetting",
    trained_with="phases",
)
