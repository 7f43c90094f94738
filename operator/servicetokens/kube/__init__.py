"""Everything that talks to the Kubernetes API server, over the HTTP client alone."""
