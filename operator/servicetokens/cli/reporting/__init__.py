"""What `servicetokens report` writes: an inventory of accounts and tokens as a page, as CSV and as JSON. No I/O."""
