"""The operator: watch events wake a queue, workers gather facts, `lifecycle` decides, and its plan is executed.

The only package that imports kopf.
"""
