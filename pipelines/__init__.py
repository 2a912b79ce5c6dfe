"""In what order: one job a file."""
