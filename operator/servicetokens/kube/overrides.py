"""kubectl's flags for a connection, which replace fields of the kubeconfig by the rules of client-go."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servicetokens.kube.entries import ClusterEntry, UserEntry

_OF_THE_USER: Final = ("token", "username", "password", "client_certificate", "client_key")


@dataclass(frozen=True, slots=True)
class Overrides:
    """The flags; empty ones were not given. *cluster* and *user* are names in the kubeconfig.

    Paths are relative to the current directory.
    """

    cluster: str = ""
    user: str = ""
    server: str = ""
    tls_server_name: str = ""
    certificate_authority: str = ""
    insecure_skip_tls_verify: bool = False
    proxy_url: str = ""
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    client_certificate: str = ""
    client_key: str = ""

    def given(self, *, but: Sequence[str] = ()) -> Sequence[str]:
        """Return the flags that were used, as people write them, without those of the fields *but*."""
        return [
            f"--{one.name.replace('_', '-')}"
            for one in fields(self)
            if getattr(self, one.name) and one.name not in but
        ]

    def apply_to_cluster(self, entry: "ClusterEntry") -> None:
        """Replace the fields that were given. The certificate name in the file is not expected of another server."""
        if self.server or self.tls_server_name:
            entry.tls_server_name = self.tls_server_name
        entry.server = self.server or entry.server
        entry.proxy_url = self.proxy_url or entry.proxy_url
        if self.insecure_skip_tls_verify or self.certificate_authority:
            entry.insecure_skip_tls_verify = self.insecure_skip_tls_verify
            entry.certificate_authority = _absolute(self.certificate_authority)
            entry.certificate_authority_data = ""

    def apply_to_user(self, entry: "UserEntry") -> None:
        """Replace the fields that were given: a token also replaces a token file, and a file also replaces data."""
        if self.token:
            entry.token_file = ""
        for name in _OF_THE_USER:
            if value := getattr(self, name):
                is_path = name.startswith("client_")
                setattr(entry, name, _absolute(value) if is_path else value)
                if is_path:
                    setattr(entry, f"{name}_data", "")


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""
