"""Tables: one value, which becomes a table of a terminal, of a page, or of Markdown."""
