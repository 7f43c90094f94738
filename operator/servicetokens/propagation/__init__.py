"""How a revocation is known to have reached every validator: by the revision that each acknowledges in its Lease.

record     what a Lease says, and why it is a proof    publisher  the validator's side: acknowledges
tracker    the operator's side: waits for all          The condition `Enforced` itself is in `lifecycle.enforced`.
"""
