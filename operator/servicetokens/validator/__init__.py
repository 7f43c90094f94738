"""The process that answers whether a presented token is valid: its own watches, its own small HTTP server."""
