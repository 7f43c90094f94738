"""`make screenshots`: pictures of the page of `servicetokens report`, taken in a real browser."""
