"""What the operator remembers of the cluster: facts, read from objects once, and the tables that hold them."""
