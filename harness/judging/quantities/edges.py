"""How many edges of a KAN are active after training with a penalty on them."""

from harness.judging.quantity import of_a_column

QUANTITY = of_a_column(
    name="edges",
    summary="the number of active edges after training with a penalty; of two sides its ratio",
    read_at="the end of the penalised part",
    what="the number of active edges",
    column="active_edges",
    trained_with="sparsity",
)
