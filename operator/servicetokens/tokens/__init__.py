"""The credential itself, as pure bytes and strings: its text form, its keyed hash, its end."""
