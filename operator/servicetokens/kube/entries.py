"""The entries of a kubeconfig: clusters, users and contexts, with the fields of client-go (api/v1/types.go)."""

from typing import Any

import msgspec


class ClusterEntry(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """`clusters[].cluster`. `disable-compression` needs no code: compressed answers are never requested."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Any] | None = None


class ExecVariable(msgspec.Struct, forbid_unknown_fields=True):
    """An environment variable of an exec plugin."""

    name: str
    value: str = ""


class ExecEntry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`users[].user.exec`."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[ExecVariable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(msgspec.Struct, forbid_unknown_fields=True):
    """`users[].user.auth-provider`."""

    name: str
    config: dict[str, str] | None = None


class UserEntry(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """`users[].user`."""

    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    username: str = ""
    password: str = ""
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    impersonate: str = msgspec.field(name="as", default="")
    as_uid: str = ""
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    auth_provider: AuthProvider | None = None
    exec: ExecEntry | None = None
    extensions: list[Any] | None = None


class ContextEntry(msgspec.Struct):
    """`contexts[].context`."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""
