"""The image of a node and of `operator/Dockerfile`'s base, made without a registry; and the engine that runs them.

`engine` runs a command with a container engine, and starts one where none runs; `images` makes both images from Go
modules and Debian packages, with the scripts here: `make e2e NODE_IMAGE=local`.
"""
