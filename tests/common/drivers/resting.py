"""What users see of a token, its account and its role at rest, without what history has to keep.

`HISTORY` is the whole list of what may depend on how a spec came about.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from common.drivers.validating import RunningValidator
from common.drivers.world import World
from controlplane.client import Answer
from servicetokens.api import names
from servicetokens.api.values import parse_recorded_time

HISTORY: Final[Mapping[str, str]] = {
    "serial": "counts the mints",
    "mintTime": "when the current credential was minted; ends that count from it are compared as distances",
    "tokenID": "every mint has another",
    "credentials": "their ids, serials, verifiers and mint times; and the one before, during its overlap",
    "rotationID": "stays when `rotation.id` is taken away, which asks for nothing",
    "revocationTime": "stays after a restoration",
    "restorationTime": "of a token that was revoked before",
    "lastUsedTime": "of a token that was used before",
    "Enforced": "is there from the first revocation or suspension on",
}
"""What is left out of the comparison, and why.

One thing more: what was minted goes on where a first token would wait for an account, a role or a shorter lifetime.
Then reasons are compared, and not the token.
"""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ENDS: Final = ("expirationTime", "nextRotationTime")
_OF_A_MINT: Final = (names.ANNOTATION_TOKEN_ID, names.ANNOTATION_SERIAL, names.ANNOTATION_MINT_TIME)
# Only they say so as long as it is true.
_WAITS: Final = ("Ready", "RolesAccepted", "Reconciling", "Stalled")


@dataclass(frozen=True)
class State:
    """Everything at one moment. *minted* is the id of the token, which two histories never share."""

    status: Any
    secret: Any
    account: Any
    role: Any
    answers: Any
    minted: str
    waiting: Any

    def part(self, name: str) -> Any:
        """Return a part by its name."""
        return getattr(self, name)

    def compared(self) -> dict[str, Any]:
        """Return all that has to be the same whatever the history."""
        return {name: self.part(name) for name in ("status", "secret", "account", "role", "answers")}

    def compared_while_waiting(self) -> dict[str, Any]:
        """Return the same for specs by which no first token would be minted."""
        return {name: self.part(name) for name in ("waiting", "account", "role")}


class Place:
    """A namespace with one token, its account and its own two roles, and how to look at all of that."""

    def __init__(self, world: World, asked: RunningValidator, namespace: str, number: int) -> None:
        """*number* belongs to this one only: clients have addresses of their own, so that no failures are added up."""
        self.world, self.namespace, self._asked, self._number = world, namespace, asked, number
        self.words = {
            "NAMESPACE": namespace,
            "ROLE": f"role-{namespace}",
            "MORE": f"more-{namespace}",
        }

    def path(self, plural: str) -> str:
        """Return the path of the object of that kind."""
        name = {"servicetokens": "ci-prod", "serviceaccounts": "ci", "serviceroles": self.words["ROLE"]}[
            plural
        ]
        return self.world.path(plural, "" if plural == names.PLURAL_ROLES else self.namespace, name)

    def apply(self, plural: str, spec: Mapping[str, Any] | None) -> Answer:
        """Make the object have exactly *spec*; None deletes it."""
        path, client = self.path(plural), self.world.client
        if spec is None:
            return client.request("DELETE", path)
        while (found := client.request("GET", path)).ok:
            answer = client.request("PUT", path, {**found.body, "spec": spec})
            # Its status may have been written in between.
            if answer.status != HTTPStatus.CONFLICT:
                return answer
        place, _, name = path.rpartition("/")
        kinds = {
            "servicetokens": "ServiceToken",
            "serviceaccounts": "ServiceAccount",
            "serviceroles": "ServiceRole",
        }
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kinds[plural],
            "metadata": {"name": name},
            "spec": spec,
        }
        return client.request("POST", place, body)

    def is_observed(self) -> bool:
        """Say whether the operator has answered every spec that there is."""
        objects = [
            self._object(plural)
            for plural in (names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS, names.PLURAL_ROLES)
        ]
        return all(
            one.get("status", {}).get("observedGeneration") == one["metadata"]["generation"]
            for one in objects
            if one
        )

    def look(self) -> State:
        """Return what is seen now."""
        token, account = self._object(names.PLURAL_TOKENS), self._object(names.PLURAL_ACCOUNTS)
        secret = self.world.secret(self.namespace)
        status, spec = token.get("status", {}), token.get("spec", {})
        value = base64.b64decode(((secret or {}).get("data") or {}).get("token", "")).decode()
        is_enforced = {
            "Revoked": spec.get("state") == "Revoked",
            "Suspended": account.get("spec", {}).get("state") == "Suspended",
        }
        return State(
            status=self._plain(_status(status, spec, account, is_enforced=is_enforced["Revoked"])),
            secret=self._plain(_secret(secret, value, status)),
            account=self._plain(_conditions(account, is_enforced=is_enforced["Suspended"])),
            role=self._plain(_conditions(self._object(names.PLURAL_ROLES), is_enforced=False)),
            answers=self._plain(self._answers(value)) if value else None,
            minted=str(status.get("tokenID")),
            waiting=sorted(
                (one["type"], one["status"], one["reason"])
                for one in status.get("conditions") or []
                if one["type"] in _WAITS
            ),
        )

    def _object(self, plural: str) -> dict[str, Any]:
        answer = self.world.client.request("GET", self.path(plural))
        return dict(answer.body) if answer.ok else {}

    def _answers(self, value: str) -> list[Any]:
        """Return what a validator says of the token in the Secret, in every way that a spec makes a difference to."""
        inside, outside = f"10.1.{self._number}.1", f"192.0.2.{self._number}"
        asked = (
            ("GET", "/orders/1", "orders.example.com", inside),
            ("POST", "/orders/1", "orders.example.com", inside),
            ("GET", "/other/1", "orders.example.com", inside),
            ("GET", "/orders/1", "other.example.com", inside),
            ("GET", "/orders/1", "orders.example.com", outside),
        )
        found: list[Any] = []
        for method, uri, host, client in asked:
            reply = self._asked.forward(
                value,
                X_Forwarded_Method=method,
                X_Forwarded_Uri=uri,
                X_Forwarded_Host=host,
                X_Forwarded_Proto="https",
                X_Forwarded_For=client,
            )
            headers = [reply.headers.get(f"X-ServiceToken-{name}") for name in ("Roles", "Permissions")]
            found.append((reply.status, *headers))
        for audiences in (None, ["orders"], ["billing"]):
            reviewed = self._asked.review(value, audiences).json["status"]
            found.append((reviewed.get("authenticated"), reviewed.get("audiences")))
        return found

    def _plain(self, value: Any) -> Any:
        """Return *value* without the names that are this namespace's own."""
        return json.loads(json.dumps(value, sort_keys=True).replace(self.namespace, "NAMESPACE"))


def _status(
    status: Mapping[str, Any], spec: Mapping[str, Any], account: Mapping[str, Any], *, is_enforced: bool
) -> dict[str, Any]:
    found = {
        key: value for key, value in status.items() if key not in HISTORY and key != "observedGeneration"
    }
    minted = parse_recorded_time(status["mintTime"]) if "mintTime" in status else 0
    for name in _ENDS:
        if name in status and not (name == "expirationTime" and "expirationTime" in spec):
            found[name] = parse_recorded_time(status[name]) - minted
    if "accountUID" in found and found["accountUID"] == account.get("metadata", {}).get("uid"):
        found["accountUID"] = "that of the account"
    if "id" in spec.get("rotation", {}):
        found["rotationID"] = status.get("rotationID")
    found["conditions"] = _conditions({"status": status}, is_enforced=is_enforced)
    return found


def _conditions(holder: Mapping[str, Any], *, is_enforced: bool) -> list[Any]:
    return [
        (one["type"], one["status"], one["reason"], _TIME.sub("TIME", one["message"]))
        for one in holder.get("status", {}).get("conditions") or []
        if one["type"] != "Enforced" or is_enforced
    ]


def _secret(secret: Mapping[str, Any] | None, value: str, status: Mapping[str, Any]) -> Any:
    if secret is None:
        return None
    meta = secret["metadata"]
    annotations = {
        key: _TIME.sub("TIME", text) for key, text in meta["annotations"].items() if key not in _OF_A_MINT
    }
    data = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
    for key, text in data.items():
        data[key] = text.replace(value, "TOKEN").replace(str(status.get("tokenID")), "ID")
    owners = [(one["kind"], one["name"], one.get("controller")) for one in meta["ownerReferences"]]
    return {
        "labels": meta.get("labels"),
        "annotations": annotations,
        "data": data,
        "type": secret["type"],
        "immutable": secret.get("immutable"),
        "owners": owners,
    }
