"""The KAN paper's published numbers, and its figures and tables run again."""
