"""Generated texts against the API server and the models: both have to reject the same ones.

Many texts go into one request: the answer names each that is rejected by its index.
"""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from admission.server import Server, complaints
from servicetokens.api import names
from servicetokens.api.meta import Model
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken

# Each request takes some milliseconds; the pieces are few, so that a short search meets most of their
# neighbours.
SEARCH = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def joined(*pieces: str, most: int) -> st.SearchStrategy[str]:
    """Return texts that are made of *pieces*."""
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=most).map("".join)


IPV4 = st.builds(
    "{}/{}".format,
    st.lists(st.sampled_from(["0", "1", "10", "128", "255", "256", "01"]), min_size=3, max_size=5).map(
        ".".join
    ),
    st.sampled_from([0, 1, 7, 8, 16, 24, 31, 32, 33]),
)
IPV6 = st.builds(
    "{}{}{}/{}".format,
    joined("0:", "1:", "ffff:", "2001:db8:", "00:", "00001:", "::", most=7),
    st.sampled_from(["", ":", "::", "::ffff:", "1.0.0.0", "fe80"]),
    st.sampled_from(["", "0", "1", "1.2.3.4", "0.0.0.0", "%eth0"]),  # noqa: S104 - a text, nothing is bound
    st.sampled_from([0, 1, 16, 32, 64, 96, 104, 112, 127, 128, 129]),
)
OTHER = joined("10.0.0.0", "::", "/", "8", "08", "+8", " ", "\n", "-", "/24", "255.0.0.0", most=4)
NETWORKS = (IPV4 | IPV6 | OTHER).filter(lambda text: 4 <= len(text) <= 43)

URLS = st.builds(
    "{}{}".format,
    st.sampled_from(["https://", "https://", "a+b://", "1://", "", "//", "://"]),
    joined(
        *("a", "example.com", ":", "443", "port", "@", "/", "?", "#", "%41", "%4", "%zz"),
        *("[", "]", "[::1]", "<", "~", "!", "'", "://", "..", "_", "|", "^"),
        most=6,
    ),
)
PATHS = joined("/", "/", "a", "*", "**", ".", "..", "?", "#", "%2e", " ", "\t", "\x0b", "\u00a0", "é", most=7)


def token(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a ServiceToken with *spec* in it."""
    return {"kind": names.KIND_TOKEN, "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d", **spec}}


@SEARCH
@given(networks=st.lists(NETWORKS, min_size=1, max_size=64, unique=True))
def test_networks(server: Server, networks: list[str]) -> None:
    """`isCIDR` and our own reading of networks agree."""
    agree(server, ServiceToken, token({"allowedCIDRs": networks}), ("spec", "allowedCIDRs"))


@SEARCH
@given(audiences=st.lists(URLS, min_size=1, max_size=16, unique=True))
def test_audiences(server: Server, audiences: list[str]) -> None:
    """The regular expression for URLs means the same in RE2, in Python and in Rust."""
    agree(server, ServiceToken, token({"audiences": audiences}), ("spec", "audiences"))


@SEARCH
@given(paths=st.lists(PATHS, min_size=1, max_size=32, unique=True))
def test_paths(server: Server, paths: list[str]) -> None:
    """White space is the same for both, and so are dot segments."""
    role = {"kind": names.KIND_ROLE, "spec": {"allowedNamespaces": ["*"], "http": [{"paths": paths}]}}
    agree(server, ServiceRole, role, ("spec", "http", 0, "paths"))


@SEARCH
@given(
    data=st.dictionaries(joined("a", ".", "-", "/", "_", " ", "é", "\n", most=4), st.just("x"), max_size=16)
)
def test_data_keys(server: Server, data: dict[str, str]) -> None:
    """A key is possible for both or for neither."""
    agree(server, ServiceToken, token({"secret": {"template": {"data": data}}}), ("spec", "secret"))


@SEARCH
@given(
    labels=st.dictionaries(
        joined("a", "A", ".", "-", "/", "_", " ", "k8s.io/", most=5), st.just("x"), max_size=16
    ),
)
def test_label_keys(server: Server, labels: dict[str, str]) -> None:
    """A key of labels is possible for both or for neither."""
    agree(server, ServiceToken, token({"secret": {"template": {"labels": labels}}}), ("spec", "secret"))


@SEARCH
@given(text=joined("{", "}", "$", "\\", "token", "id", "ID", " ", "x", "é", most=8))
def test_placeholders(server: Server, text: str) -> None:
    """A template is filled in, or rejected, by the same reading of its braces."""
    agree(server, ServiceToken, token({"secret": {"template": {"data": {"a": text}}}}), ("spec", "secret"))


@SEARCH
@given(
    after=joined("1", "2", "30", "90", "d", "h", "w", "never", most=2),
    every=joined("1", "2", "30", "90", "d", "h", "w", most=2),
    overlap=joined("0", "1", "2", "30", "90", "d", "h", "w", most=2),
)
def test_durations(server: Server, after: str, every: str, overlap: str) -> None:
    """Durations are read and compared alike, whatever their units."""
    spec = token({"expiresAfter": after, "rotation": {"every": every, "overlap": overlap}})
    agree(server, ServiceToken, spec, ("spec",))


@SEARCH
@given(
    time=st.builds(
        "{}-{}-{}T{}:{}:{}{}{}".format,
        st.sampled_from(["1999", "2000", "2027", "2028", "2100", "2999", "3000"]),
        st.sampled_from(["00", "02", "12", "13"]),
        st.sampled_from(["00", "28", "29", "30", "31", "32"]),
        st.sampled_from(["00", "23", "24"]),
        st.sampled_from(["00", "59", "60"]),
        st.sampled_from(["00", "59", "60"]),
        st.sampled_from(["", ".0", ".123456789", ".", ",5"]),
        st.sampled_from(["Z", "z", "", "+00:00", "-23:59", "+24:00", "+0100"]),
    ),
)
def test_times(server: Server, time: str) -> None:
    """A day that the calendar has, and a time that the clock has, are the same for both."""
    account = {"kind": names.KIND_ACCOUNT, "spec": {"tokensNotBeforeTime": time}}
    agree(server, ServiceAccount, account, ("spec",))


def agree(server: Server, model: type[Model], manifest: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """Assert that server and model reject the same items at *place*, or both the whole, or neither."""
    whole = {"apiVersion": names.API_VERSION, "metadata": {"name": "agreement"}, **manifest}
    answer = server.create(whole, dry_run=True)
    by_server = (
        set() if answer.ok else {_index(field, place) for field, _ in complaints(answer) if field != "<nil>"}
    )

    assert _refused_by(model, whole, place) == by_server, answer.body


def _refused_by(model: type[Model], manifest: dict[str, Any], place: tuple[str | int, ...]) -> set[str]:
    try:
        model.model_validate(manifest)
    except ValidationError as error:
        paths = [
            [str(part) for part in line["loc"]] for line in error.errors() if line["type"] != "too_short"
        ]
        depth = len(place)
        return {path[depth] if len(path) > depth and path[depth].isdigit() else "" for path in paths}
    return set()


def _index(field: str, place: tuple[str | int, ...]) -> str:
    """Return which item of the list is blamed; nothing where the list is not of items."""
    parts = re.split(r"[.\[\]]+", field)
    depth = len(place)
    return parts[depth] if len(parts) > depth and parts[depth].isdigit() else ""


@pytest.mark.parametrize(
    ("field", "index"),
    [("spec.audiences[3]", "3"), ("spec.rotation.every", ""), ("spec", "")],
)
def test_index(field: str, index: str) -> None:
    """The index is taken from the end of the path, as the API server writes it."""
    assert _index(field, ("spec", "audiences")) == index
