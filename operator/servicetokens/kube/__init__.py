"""Everything that talks to the Kubernetes API server, with the HTTP client alone."""
