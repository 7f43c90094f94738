"""How the operator knows that a revocation has reached every validator: each acknowledges a revision in its Lease.

record the content of a Lease, and why it is a proof publisher the validator's side: acknowledges tracker the operator's
side: waits for all The condition `Enforced` itself is in `lifecycle.enforced`.
"""
