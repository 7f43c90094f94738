"""Commands for people who look after an installation. They read, and write nothing."""
