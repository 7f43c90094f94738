"""Pages of `docs/` that are written by a program, from what the code says of itself."""
