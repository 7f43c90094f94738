"""The kubectl plugin: `kubectl servicetoken`, for the people who use tokens. It acts with their rights alone."""
