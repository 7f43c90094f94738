"""The certificate that the operator issues is one that a validator serves and a client trusts."""

import base64
import datetime as dt
import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509

from common.drivers.operators import RunningOperator
from common.drivers.validating import validator
from common.drivers.world import HOME, World
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient
from servicetokens.api.names import VALIDATOR_TLS_SECRET
from servicetokens.controllers.pki.issuing import service_names


def issued(world: World) -> dict[str, Any] | None:
    """Return the Secret once its certificate has begun: in this cluster, operators ran by clocks that were ahead."""
    secret = world.secret(HOME, VALIDATOR_TLS_SECRET)
    if secret is None:
        return None
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    return secret if certificate.not_valid_before_utc <= dt.datetime.now(dt.UTC) else None


def test_a_validator_serves_the_certificate_that_the_operator_issued(
    world: World, operator: RunningOperator, tmp_path: Path
) -> None:
    """Under every name of the Service; the bundle next to it is all that a client needs."""
    world.until(lambda: issued(world), "the certificate", timeout=20)
    secret = issued(world)
    assert secret is not None
    assert secret["type"] == "kubernetes.io/tls"
    files = {name: tmp_path / name for name in ("tls.crt", "tls.key", "ca.crt")}
    for name, path in files.items():
        path.write_bytes(base64.b64decode(secret["data"][name]))
    flags = (f"--tls-cert-file={files['tls.crt']}", f"--tls-key-file={files['tls.key']}")
    client = ssl.create_default_context(cafile=str(files["ca.crt"]))
    with validator(world, tmp_path / "validator.log", *flags, wait=False) as running:
        world.until(lambda: running.page("/livez")[0] == 200, "the validator to run")
        for port in (running.ports.token_review, running.ports.introspection):
            for name in service_names(HOME):
                with (
                    socket.create_connection((LOOPBACK, port), timeout=patient(5)) as plain,
                    client.wrap_socket(plain, server_hostname=name) as secure,
                ):
                    assert secure.version() == "TLSv1.3"
    metric = "servicetokens_tls_certificate_expiration_timestamp_seconds"
    world.until(lambda: metric in operator.page("/metrics")[1], "the metric")
