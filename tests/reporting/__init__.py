"""The page of `servicetokens report` in a real browser, and its pictures in docs/images."""
