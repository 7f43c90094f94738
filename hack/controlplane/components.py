"""The command lines of etcd, kube-apiserver and kube-controller-manager: which flags they need, and why.

Every component must be run in the cluster's directory: etcd is reached through a socket there, which needs
neither a port nor a password, since only the current user may enter. Pure text, so that the flags can be read
in one place. Whatever a person may want to add comes last and wins.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from controlplane.audit import POLICY
from controlplane.certificates import CertificateAuthority, KeyPair, write_signing_key
from controlplane.kubeconfig import write_kubeconfig
from controlplane.ports import LOOPBACK

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Issuer of service-account tokens, and the API server's own audience."""

# Only what our objects and tests depend on: each controller costs start-up time, memory and requests.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
)


# Relative to the working directory, since the path of a socket may have no more than 108 bytes.
ETCD = "unix://etcd.sock"
# A member that is alone never talks to peers, but will not start without an address.
ETCD_PEER = "unix://etcd-peer.sock"


@dataclass(frozen=True)
class AuthenticationWebhook:
    """The service that the API server asks about bearer tokens that it does not know.

    The API server starts without it and asks only when such a token comes: the service may start later.
    """

    url: str
    """Where TokenReviews are posted; `https://`, with the path."""
    certificate_authority: Path
    """The CA to trust as its server certificate's issuer."""
    client: KeyPair | None = None
    """What the API server presents, where the service wants client certificates."""
    cache_ttl: str = "0s"
    """How long decisions are cached (Go duration). An outer cache keeps acceptances for 10 s, even with 0s."""
    version: str = "v1"


@dataclass(frozen=True)
class Options:
    """What may differ between two clusters. Frozen; `Cluster.restart_api_server` takes changed ones."""

    audit: bool = False
    """Whether to keep an audit log (`Cluster.audit`)."""
    authentication_webhook: AuthenticationWebhook | None = None
    api_server_flags: tuple[str, ...] = ()
    """Added to kube-apiserver's command line, after ours."""


@dataclass(frozen=True)
class Files:
    """Every file of one cluster, below one directory that goes away with it."""

    root: Path
    authority: CertificateAuthority
    serving: KeyPair
    accounts: KeyPair
    """Signs service-account tokens."""

    @classmethod
    def create(cls, root: Path) -> "Files":
        """Make the keys and the audit policy."""
        authority = CertificateAuthority(root / "pki", "servicetokens-test-ca")
        (root / "audit-policy.json").write_text(json.dumps(POLICY), encoding="utf-8")
        return cls(
            root,
            authority,
            authority.server("kube-apiserver", (LOOPBACK, "localhost", "kubernetes.default.svc")),
            write_signing_key(root / "pki", "service-accounts"),
        )

    @property
    def audit_log(self) -> Path:
        """Where the API server logs requests when `Options.audit` is on."""
        return self.root / "audit.jsonl"


def etcd(root: Path) -> list[str]:
    """The command line after the program, which keeps everything below `root` and has to run there."""
    return [
        "--name=default",
        f"--data-dir={root}/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=default={ETCD_PEER}",
        # The data is thrown away with the cluster: no write need wait for the disk.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(files: Files, port: int, options: Options) -> list[str]:
    """The command line after the program."""
    flags = [
        f"--etcd-servers={ETCD}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        # The port is held for it; see controlplane.ports.
        "--permit-port-sharing",
        # Without it the server looks for the machine's address and dies where there is no network.
        f"--advertise-address={LOOPBACK}",
        # The service `kubernetes` is not used here, and loopback is not allowed as an endpoint.
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        f"--client-ca-file={files.authority.certificate}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={files.accounts.certificate}",
        f"--service-account-signing-key-file={files.accounts.key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--profiling=false",
        # Ends watches on shutdown; without it, it waits up to a minute for clients to disconnect.
        "--shutdown-watch-termination-grace-period=1s",
    ]
    if options.audit:
        flags += [
            f"--audit-policy-file={files.root}/audit-policy.json",
            f"--audit-log-path={files.audit_log}",
            "--audit-log-maxsize=0",  # marks are positions in the file: it must not be rotated
        ]
    if options.authentication_webhook is not None:
        flags += _authentication_webhook(files, options.authentication_webhook)
    return [*flags, *options.api_server_flags]


def controller_manager(files: Files, kubeconfig: Path) -> list[str]:
    """The command line after the program."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--service-account-private-key-file={files.accounts.key}",
        f"--root-ca-file={files.authority.certificate}",
        "--leader-elect=false",
        # No health endpoint: `Cluster` waits for what the controllers do.
        "--secure-port=0",
        # The defaults (20 per second) suit a cluster with neighbours; namespaces would go away slowly.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def _authentication_webhook(files: Files, webhook: AuthenticationWebhook) -> list[str]:
    config = write_kubeconfig(
        files.root / "authentication-webhook.json",
        server=webhook.url,
        certificate_authority=webhook.certificate_authority,
        client=webhook.client,
    )
    return [
        f"--authentication-token-webhook-config-file={config}",
        f"--authentication-token-webhook-cache-ttl={webhook.cache_ttl}",
        f"--authentication-token-webhook-version={webhook.version}",
    ]
