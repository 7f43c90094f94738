"""The image of operator/Dockerfile, as the container engine builds it."""

import os

import pytest

from common.repository import ROOT
from e2e import docker, kind
from e2e.node import Node

# The packages are fetched and compiled again: 40 seconds on two idle cores.
pytestmark = pytest.mark.timeout(int(docker.SECONDS), func_only=True)


def test_two_builds_of_one_tree_have_the_same_layers(node: Node) -> None:
    """Nothing in the image depends on when or how often it is built."""
    again = f"{kind.REPOSITORY}:again"
    images = kind.Images.chosen(os.environ["SERVICETOKENS_E2E"])
    try:
        docker.build(again, ROOT, arguments=images.arguments, labels={}, cached=False)
        assert docker.layers(again) == docker.layers(f"{kind.REPOSITORY}:{kind.CURRENT}")
    finally:
        docker.remove(again)
