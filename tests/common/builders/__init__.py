"""Objects, facts, tokens and texts for tests, with everything said that a test does not care about."""
