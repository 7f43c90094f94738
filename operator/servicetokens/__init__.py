"""Long-lived service tokens for Kubernetes, declared in YAML."""

__version__ = "0.1.0"
