"""Ambient dependencies, injected everywhere: clock, entropy, logs, metrics, settings, health. A leaf package."""
