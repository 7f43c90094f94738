"""The steps, in the order in which a token lives: minted, accepted, revoked, restored, rotated, expired."""

import json
import time
from typing import Final

from controlplane.waiting import wait_until
from demo.proxy import Proxy
from demo.screen import Screen
from demo.shell import Shell
from demo.stage import Stage
from servicetokens.api.names import API_VERSION
from servicetokens.api.values import format_time
from servicetokens.tokens.format import parse

NAMESPACE: Final = "team-a"
# Long enough for mint and two requests on a slow machine, short enough to watch.
SHORT_LIFE: Final = 8
# Seconds for which kube-apiserver keeps an acceptance, whatever the cache of the webhook itself is set to.
API_SERVER_CACHE: Final = 10
# The administrator's kubeconfig would be stronger than the token: its certificate counts first.
WHO_AM_I: Final = 'kubectl --kubeconfig "$ANONYMOUS" --token "$TOKEN" auth whoami'


class Story:
    """Each public method is one step; `tell` is the order."""

    def __init__(self, screen: Screen, shell: Shell, stage: Stage) -> None:
        self._screen = screen
        self._shell = shell
        self._proxy = Proxy(screen, stage.forward_auth)

    def tell(self) -> None:
        """Run every step."""
        self.apply()
        token = self.mint()
        self.accept(token)
        self.reject_what_the_role_does_not_allow(token)
        self.authenticate_to_kubernetes(token)
        self.revoke(token)
        self.restore(token)
        self.rotate(token)
        self.expire()

    def apply(self) -> None:
        """What a user writes."""
        self._screen.step(
            "Apply two roles, an account and a token, from YAML", "the operator makes the token Ready"
        )
        self._shell.run("kubectl apply -f examples/")
        self._shell.run(f"kubectl -n {NAMESPACE} wait --for=condition=Ready --timeout=20s svctok/ci-prod")
        table = self._shell.run(f"kubectl -n {NAMESPACE} get svctok,svcacct")
        self._screen.prove("ci-prod" in table, "the token is Ready")

    def mint(self) -> str:
        """Where the token is."""
        self._screen.step(
            "Look where the token is", "only the Secret has it; status has its public id and a keyed hash"
        )
        self._shell.run(f"kubectl -n {NAMESPACE} get secret ci-prod --show-labels")
        self._screen.note("Its value, shown up to the public id; the rest is secret.")
        token = self._shell.run(_value_of("ci-prod"))
        public_id = parse(token, "svt").id
        status = self._shell.run(
            f"kubectl -n {NAMESPACE} get svctok ci-prod -o jsonpath='{{.status.tokenID}}'"
        )
        self._screen.prove(
            status == public_id, "status names the token by its public id; it holds a keyed hash only"
        )
        self._export("TOKEN", token)
        return token

    def accept(self, token: str) -> None:
        """Forward-auth, the good case."""
        self._screen.step(
            "Ask the validator as a reverse proxy does (forward-auth)",
            "the request may pass, and the service learns who is calling",
        )
        reply = self._proxy.show(token)
        self._screen.prove(
            reply.status == 200
            and reply.header("X-ServiceToken-Account") == "ci"
            and reply.header("X-ServiceToken-Roles") == "orders-reader",
            "200: it passes, with the account and its roles in headers",
        )

    def reject_what_the_role_does_not_allow(self, token: str) -> None:
        """Forward-auth, a method that the role's http rules do not name."""
        self._screen.step("Ask about a DELETE", "a role that allows GET and HEAD authorizes nothing else")
        reply = self._proxy.show(token, method="DELETE")
        self._screen.prove(
            reply.status == 403, "403: the token is valid, and its role does not authorize the request"
        )

    def authenticate_to_kubernetes(self, token: str) -> None:
        """TokenReview, through kube-apiserver's authentication webhook."""
        self._screen.step(
            "Use the token with kubectl (authentication webhook)",
            "kube-apiserver accepts it, and the account is a user of the cluster",
        )
        self._screen.note("$ANONYMOUS is a kubeconfig with the address of the API server and without a user.")
        identity = self._shell.run(WHO_AM_I)
        self._screen.prove(
            f"servicetoken:{NAMESPACE}:ci" in identity and token not in identity,
            "kubectl is the account ci, with a group per role to bind in RBAC",
        )

    def revoke(self, token: str) -> None:
        """One field, and who notices when."""
        self._screen.step(
            "Revoke the token", "every validator rejects it within moments, and `Enforced` says so"
        )
        self._patch({"state": "Revoked"})
        took = self._proxy.milliseconds_until(401, token)
        reply = self._proxy.show(token)
        self._screen.prove(reply.status == 401, f"401: rejected {_about(took)} after kubectl returned")
        proven = self._shell.run(
            f"kubectl -n {NAMESPACE} wait --for=condition=Enforced --timeout=20s svctok/ci-prod"
        )
        self._screen.prove("condition met" in proven, "Enforced: every validator has confirmed it")
        self._shell.run(f"kubectl -n {NAMESPACE} get svctok ci-prod")
        self._screen.note(f"kube-apiserver caches an accepted token for up to {API_SERVER_CACHE} s")
        with self._screen.waiting("kube-apiserver to reject it, too", 2 * API_SERVER_CACHE):
            wait_until(
                lambda: not self._shell.succeeds(WHO_AM_I),
                what="kubectl to be rejected",
                timeout=2 * API_SERVER_CACHE,
            )
        answer = self._shell.run(WHO_AM_I, fails=True)
        self._screen.prove("nauthorized" in answer or "logged in" in answer, "kubectl is rejected, too")

    def restore(self, token: str) -> None:
        """The same field back."""
        self._screen.step("Restore the token", "the same value is valid again")
        self._patch({"state": None})
        took = self._proxy.milliseconds_until(200, token)
        reply = self._proxy.show(token)
        self._screen.prove(reply.status == 200, f"200: accepted {_about(took)} after kubectl returned")

    def rotate(self, token: str) -> None:
        """A changed rotation.id."""
        self._screen.step(
            "Rotate now, by changing rotation.id", "old and new credential are both valid during the overlap"
        )
        self._patch({"rotation": {"id": "demo", "overlap": "1h"}})
        self._shell.run(
            f"kubectl -n {NAMESPACE} wait --timeout=20s svctok/ci-prod"
            " --for=jsonpath='{.status.rotationID}'=demo"
        )
        wait_until(
            lambda: self._shell.read(_value_of("ci-prod")) != token, what="the new value in the Secret"
        )
        fresh = self._shell.run(_value_of("ci-prod"))
        self._screen.prove(fresh != token, "the Secret holds another token")
        self._export("NEW_TOKEN", fresh)
        new, old = self._proxy.show(fresh, name="NEW_TOKEN"), self._proxy.show(token)
        self._screen.prove(
            new.status == old.status == 200, "200 and 200: both are accepted until the overlap ends"
        )
        self._shell.run(
            f"kubectl -n {NAMESPACE} get svctok ci-prod -o "
            "custom-columns='SERIALS:.status.credentials[*].serial,EXPIRE:.status.credentials[*].expirationTime'"
        )

    def expire(self) -> None:
        """A token with a few seconds to live."""
        ends = int(time.time()) + SHORT_LIFE
        self._screen.step(
            f"Let a token expire that lives {SHORT_LIFE} seconds", "the validator rejects it to the second"
        )
        self._shell.run(_short_lived_manifest(format_time(ends)))
        self._shell.run(
            f"kubectl -n {NAMESPACE} wait --for=condition=Ready --timeout={SHORT_LIFE}s svctok/short"
        )
        token = self._shell.run(_value_of("short"))
        self._export("SHORT_TOKEN", token)
        reply = self._proxy.show(token, name="SHORT_TOKEN")
        self._screen.prove(reply.status == 200, "200: accepted")
        with self._screen.waiting("its expiration", max(1, ends - time.time())):
            self._proxy.milliseconds_until(401, token)
        late = time.time() - ends
        reply = self._proxy.show(token, name="SHORT_TOKEN")
        self._screen.prove(
            reply.status == 401 and -1 < late < 2,
            "401: rejected to the second, by the validator's own clock",
        )
        self._shell.run(
            f"kubectl -n {NAMESPACE} wait --for=condition=Active=False --timeout=20s svctok/short"
        )
        table = self._shell.run(f"kubectl -n {NAMESPACE} get svctok short")
        self._screen.prove("Expired" in table, "status says Expired")

    def _patch(self, spec: dict[str, object]) -> None:
        self._shell.run(
            f"kubectl -n {NAMESPACE} patch svctok ci-prod --type=merge -p '{json.dumps({'spec': spec})}'"
        )

    def _export(self, name: str, value: str) -> None:
        self._shell.export({name: value})


def _value_of(secret: str) -> str:
    return f"kubectl -n {NAMESPACE} get secret {secret} -o jsonpath='{{.data.token}}' | base64 -d"


def _short_lived_manifest(ends: str) -> str:
    return (
        "kubectl apply -f - <<'YAML'\n"
        f"apiVersion: {API_VERSION}\n"
        "kind: ServiceToken\n"
        f"metadata: {{name: short, namespace: {NAMESPACE}}}\n"
        f"spec: {{accountRef: {{name: ci}}, expirationTime: {ends}, roles: [orders-reader]}}\n"
        "YAML"
    )


def _about(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds >= 1 else "less than 1 ms"
