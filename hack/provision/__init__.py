"""What tests and demo run in addition to this repository's code, made once per user and kept for every clone.

`cache` keeps a folder per artifact in the user's cache directory, named by a hash of what pins its contents;
`artifacts` lists them. Standard library only, as `controlplane.build`, which keeps the control plane.
"""
