"""Records: one file a run, and the tables that they make. No statistic."""
