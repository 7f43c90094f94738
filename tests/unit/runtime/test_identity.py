"""What a process calls itself."""

import os

from servicetokens.runtime.identity import pod_name


def test_the_manifest_names_the_pod_and_otherwise_the_host_does() -> None:
    """An empty variable names nothing."""
    assert pod_name({"POD_NAME": "validator-0"}) == "validator-0"
    for unnamed in ({}, {"POD_NAME": ""}):
        assert pod_name(unnamed) == os.uname().nodename
