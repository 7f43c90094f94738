"""Reconcile one object: gather facts, let `lifecycle` plan, execute the plan. Independent of event sources."""
