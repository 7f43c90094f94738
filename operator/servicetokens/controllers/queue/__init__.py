"""The work queue, the workers that take keys off it, and the deadlines that add keys to it."""
