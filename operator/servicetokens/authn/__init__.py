"""Whether a presented token is valid, and for what: an index in memory and pure decisions on it."""
