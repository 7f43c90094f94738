"""Stand-ins for what the product talks to: clock, entropy, the API server and the wires to it."""
