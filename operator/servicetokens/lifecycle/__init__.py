"""Decisions about accounts, tokens and roles, as pure functions of facts and `now`: no I/O, no clock, no randomness."""
