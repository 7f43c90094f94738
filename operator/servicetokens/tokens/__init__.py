"""The credential itself, as bytes and strings: its text form, its keyed hash, its expiration."""
