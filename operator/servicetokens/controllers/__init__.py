"""The operator: watch events add keys to a queue, workers gather facts, `lifecycle` decides, and its plan is executed.

The only package that imports kopf.
"""
