"""docs/reference/openapi.yaml: a valid document, and what a validator answers is what it describes."""

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from common.drivers.world import HOME
from common.repository import ROOT
from controlplane.waiting import patient
from docs.conftest import Place
from servicetokens.api.names import VALIDATOR_TLS_SECRET

DOCUMENT: Final[Mapping[str, Any]] = yaml.safe_load((ROOT / "docs/reference/openapi.yaml").read_text())
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
GET: Final = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/orders/17"}


class Asker:
    """Sends requests to the two listeners of a place with the examples in it."""

    def __init__(self, place: Place, home: Path) -> None:
        environment = place.environment(home)
        self._forward_auth, self._introspection = environment["VALIDATOR"], environment["INTROSPECTION"]
        secret = place.world.secret(HOME, VALIDATOR_TLS_SECRET)
        assert secret is not None
        certificate = base64.b64decode(secret["data"]["ca.crt"]).decode()
        self._tls = ssl.create_default_context(cadata=certificate)
        delivered = place.world.secret("team-a", "ci-prod")
        assert delivered is not None
        self.token = base64.b64decode(delivered["data"]["token"]).decode()

    def validate(self, path: str, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask forward-auth."""
        with closing(http.client.HTTPConnection(self._forward_auth, timeout=patient(10))) as connection:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            return response, response.read()

    def introspect(
        self, method: str, path: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, Any]:
        """Ask the introspection listener."""
        with closing(
            http.client.HTTPSConnection(self._introspection, timeout=patient(10), context=self._tls)
        ) as connection:
            connection.request(method, path, urlencode(form), {**FORM, **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def asker(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Asker:
    """With the token of the examples."""
    place.begin(with_examples=True)
    return Asker(place, tmp_path_factory.mktemp("asker"))


def check(body: Any, schema: str) -> None:
    """Compare a body with one of the document's schemas."""
    reference = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    assert [error.message for error in OAS31Validator(reference).iter_errors(body)] == []


def described(path: str, method: str) -> set[int]:
    """Return the status codes that the document has for an operation."""
    return {int(code) for code in DOCUMENT["paths"][path][method]["responses"]}


def test_the_document_is_valid() -> None:
    """By the schema of OpenAPI 3.1, with every reference resolved."""
    validate(DOCUMENT)


def test_forward_auth_answers_what_is_described(asker: Asker) -> None:
    """Status codes, the six headers, and the body for those that accept JSON."""
    bearer = {"Authorization": f"Bearer {asker.token}"}
    accepted, body = asker.validate("/validate", {**GET, **bearer, "Accept": "application/json"})
    answers = {
        200: accepted,
        400: asker.validate("/validate", {**GET, **bearer, "X-Original-Method": "POST"})[0],
        401: asker.validate("/validate", GET)[0],
        403: asker.validate("/validate", {**GET, **bearer, "X-Forwarded-Method": "DELETE"})[0],
    }
    assert {code: answer.status for code, answer in answers.items()} == {code: code for code in answers}
    assert set(answers) <= described("/validate", "get")
    check(json.loads(body), "Identity")
    named = set(DOCUMENT["components"]["responses"]["accepted"]["headers"])
    assert {name for name in accepted.headers if name.startswith("X-ServiceToken-")} == named
    assert all(answers[code].headers["WWW-Authenticate"] for code in (400, 401, 403))


def test_a_path_with_roles_answers_what_is_described(asker: Asker) -> None:
    """A role that the token has, one that it does not have, and what is not the name of a role."""
    bearer = {**GET, "Authorization": f"Bearer {asker.token}"}
    found = {
        path: asker.validate(f"/validate/role/{path}", bearer)[0].status
        for path in ("orders-reader", "orders-writer", "NOT-A-ROLE")
    }
    assert found == {"orders-reader": 200, "orders-writer": 403, "NOT-A-ROLE": 404}
    assert set(found.values()) <= described("/validate/role/{roles}", "get")


def test_introspection_answers_what_is_described(asker: Asker, place: Place) -> None:
    """An active and an inactive token, callers without credentials or permission, and requests that are none."""
    permitted = {"permissions": ["servicetokens:introspect"], "allowedNamespaces": ["team-a"]}
    role = {"metadata": {"name": "introspector"}, "spec": permitted}
    world = place.world
    kinds = {"apiVersion": "servicetokens.dev/v1beta1"}
    world.ok("POST", world.path("serviceroles", ""), {**kinds, "kind": "ServiceRole", **role})
    for kind, plural, spec in (
        ("ServiceAccount", "serviceaccounts", {"roles": ["introspector"]}),
        ("ServiceToken", "servicetokens", {"accountRef": {"name": "asker"}, "expiresAfter": "1d"}),
    ):
        item = {**kinds, "kind": kind, "metadata": {"name": "asker"}, "spec": spec}
        world.ok("POST", world.path(plural, "team-a"), item)
    world.until_ready("team-a", "asker")
    delivered = world.secret("team-a", "asker")
    assert delivered is not None
    caller = {"Authorization": f"Bearer {base64.b64decode(delivered['data']['token']).decode()}"}

    def ask(token: str, headers: Mapping[str, str], method: str = "POST") -> tuple[int, Any]:
        return asker.introspect(method, "/introspect", {"token": token}, headers)

    world.until(lambda: ask(asker.token, caller)[0] == 200, "the caller to be known")
    status, active = ask(asker.token, caller)
    assert (status, active["active"]) == (200, True)
    check(active, "Active")
    status, inactive = ask("nonsense", caller)
    assert status == 200
    check(inactive, "Inactive")
    problems = {
        401: ask(asker.token, {}),
        403: ask(asker.token, {"Authorization": f"Bearer {asker.token}"}),
        405: ask(asker.token, caller, method="PUT"),
        415: ask(asker.token, {**caller, "Content-Type": "application/json"}),
    }
    for code, (found, body) in problems.items():
        assert found == code
        check(body, "Problem")
    assert {200, *problems} <= described("/introspect", "post")


def test_the_metadata_is_what_is_described(asker: Asker) -> None:
    """Under both names."""
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        status, body = asker.introspect("GET", path, {}, {})
        assert status == 200
        check(body, "Metadata")
