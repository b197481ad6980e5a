"""What people see: words, tables, figures and pages, and no new number."""
