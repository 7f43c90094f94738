"""Real programs and parts that tests run, and how tests ask them: clusters, operators, validators, kubectl, proxies."""
