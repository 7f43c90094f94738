"""Envoy's two protocols, asked of a real validator by real clients."""

import grpc
import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from envoy.service.auth.v3.external_auth_pb2_grpc import AuthorizationStub
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.builders.stored import StoredToken
from common.drivers.validating import RunningValidator
from common.drivers.world import World
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient


def check(running: RunningValidator, token: str) -> CheckResponse:
    """Ask as Envoy does."""
    request = CheckRequest()
    request.attributes.request.http.headers["authorization"] = f"Bearer {token}"
    with grpc.insecure_channel(f"{LOOPBACK}:{running.ports.ext_authz_grpc}") as channel:
        answer: CheckResponse = AuthorizationStub(channel).Check(request, timeout=patient(10))
    return answer


def test_a_token_is_valid_until_it_is_revoked_in_both(
    world: World, namespace: str, running: RunningValidator, token: StoredToken
) -> None:
    """Both see what everyone sees, and immediately."""
    assert running.authz(token.text, path="/healthz").status == 200
    assert check(running, token.text).status.code == code_pb2.OK
    world.change(namespace, token.name, state="Revoked")
    world.until(lambda: running.authz(token.text).status == 401, "the revocation")
    assert check(running, token.text).denied_response.status.code == 401
    assert running.authz(path="/healthz").status == 401


@pytest.mark.parametrize("service", ["", "envoy.service.auth.v3.Authorization"])
def test_health_says_whether_answers_can_be_given(
    world: World, running: RunningValidator, service: str
) -> None:
    """Envoy's own health checks ask for it."""
    request = health_pb2.HealthCheckRequest(service=service)
    with grpc.insecure_channel(f"{LOOPBACK}:{running.ports.ext_authz_grpc}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        world.until(
            lambda: stub.Check(request, timeout=patient(10)).status == health_pb2.HealthCheckResponse.SERVING,
            "the health to follow readiness",
        )


def test_malformed_and_large_requests_are_rejected(running: RunningValidator, token: StoredToken) -> None:
    """What is no message, or has more than 64 KiB, is never checked, and affects no other request."""
    with grpc.insecure_channel(f"{LOOPBACK}:{running.ports.ext_authz_grpc}") as channel:
        call = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        answer = CheckResponse.FromString(call(b"\xff" * 10, timeout=patient(10)))
        assert answer.denied_response.status.code == 400
        with pytest.raises(grpc.RpcError, match="larger than max"):
            call(bytes(100_000), timeout=patient(10))
    assert check(running, token.text).status.code == code_pb2.OK
