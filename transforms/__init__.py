"""How is it changed: one transform, or one family, a file."""
