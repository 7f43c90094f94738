"""A real Kubernetes control plane for the tests and the demo.

`build` makes the four binaries from go.mod, `cluster` runs them on loopback, `processes` guarantees that nothing
outlives its parent. The package needs no root, no container engine and no network once it is built.
"""
