"""Whether a credential is accepted, and if not, why: the one answer of validator, operator, plugin and report."""
