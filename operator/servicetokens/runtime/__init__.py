"""Ambient things, injected everywhere: clock, entropy, logs, metrics, settings, health. Imports nothing of ours."""
