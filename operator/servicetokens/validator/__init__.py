"""The process that answers whether a presented token is good: its own watches, its own small HTTP server."""
