"""The validator's TLS certificate and the CA above it."""
