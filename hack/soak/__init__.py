"""A long run of random life against a model that knows what must be accepted: `make soak MINUTES=30`."""
