"""Whether a presented token is good, and for what: an index in memory and pure decisions on it."""
