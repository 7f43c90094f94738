"""Reconciling one object: gather facts, let `lifecycle` plan, execute the plan. Knows no source of events."""
