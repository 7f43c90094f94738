"""kube-apiserver with the webhook configuration of the documentation, and a certificate that the operator has made."""

import base64
import shlex
from pathlib import Path

import pytest

from common.builders.stored import store_account, store_role, store_token
from common.drivers.validating import validator
from common.drivers.world import HOME, World
from controlplane.cluster import Cluster, Options
from proxies.cases import UNKNOWN
from proxies.clients import DOCS
from servicetokens.api.names import KEYS_SECRET, VALIDATOR_TLS_SECRET
from servicetokens.tokens.verifier import KeyRing

PAGE = DOCS / "kube-apiserver" / "webhook.yaml"


def flags(page: str, home: Path) -> tuple[str, ...]:
    """Return the flags that the page's comment shows, the file's name made absolute."""
    shown = [line.removeprefix("#").strip() for line in page.splitlines() if line.startswith("#   --")]
    return tuple(shlex.split(line.replace("webhook.yaml", f"{home}/webhook.yaml"))[0] for line in shown)


@pytest.mark.timeout(180)
def test_kubectl_is_the_account_until_it_is_revoked(binaries: Path, tmp_path: Path) -> None:
    """With the flags, the file and the CA as they are shown; the API server gets no other configuration."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        with world.operator(tmp_path / "operator.log"):
            world.until(lambda: world.secret(HOME, VALIDATOR_TLS_SECRET), "the certificate", timeout=20)
            world.until(lambda: world.secret(HOME, KEYS_SECRET), "the keys", timeout=20)
        secret, keys = world.secret(HOME, VALIDATOR_TLS_SECRET), world.secret(HOME, KEYS_SECRET)
        assert secret is not None
        assert keys is not None
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (tmp_path / name).write_bytes(base64.b64decode(secret["data"][name]))
        certificate = (f"--tls-cert-file={tmp_path}/tls.crt", f"--tls-key-file={tmp_path}/tls.key")
        with validator(world, tmp_path / "validator.log", *certificate) as running:
            page = PAGE.read_text()
            address = f"127.0.0.1:{running.review_port}"
            (tmp_path / "webhook.yaml").write_text(page.replace("127.0.0.1:8443", address))
            cluster.restart_api_server(Options(api_server_flags=flags(page, tmp_path)))
            namespace = cluster.create_namespace()
            store_role(world.client, "deployer")
            uid = store_account(world.client, namespace, "ci", roles=["deployer"])
            token = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
            token.minted.clear()
            token.credentials.clear()
            token.rotate(keys=KeyRing.from_secret_data(keys["data"]))
            world.until(
                lambda: running.forward(token.text).status == 200, "the token to be known", timeout=30
            )

            def who(text: str) -> str:
                ended = cluster.kubectl("auth", "whoami", kubeconfig=cluster.bearer(text), check=False)
                return ended.stdout

            identity = who(token.text)
            assert f"servicetoken:{namespace}:ci" in identity
            assert "servicetokens:role:deployer" in identity
            assert who(UNKNOWN) == ""
            token.change(state="Revoked")
            world.until(lambda: who(token.text) == "", "the API server to have forgotten", timeout=40)
