"""Settings of `servicetokens validator`."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import field_validator, model_validator

from servicetokens.runtime.flags import Flag
from servicetokens.runtime.settings import (
    Address,
    Age,
    CommonSettings,
    ListenAddress,
    NetworkText,
    Percent,
    Staleness,
)

_LISTENERS: Final = (
    "token_review_address",
    "forward_auth_address",
    "ext_authz_address",
    "ext_authz_grpc_address",
    "introspection_address",
)


class ValidatorSettings(CommonSettings):
    """Settings of `servicetokens validator`. Every field is the flag of that name."""

    token_review_address: Annotated[
        ListenAddress | None,
        Flag(
            "HOST:PORT",
            "Address of the TokenReview webhook for kube-apiserver, over TLS; '' disables it.",
            none="",
        ),
    ] = Address("0.0.0.0", 8443)  # noqa: S104 - others ask from outside
    forward_auth_address: Annotated[
        ListenAddress | None,
        Flag(
            "HOST:PORT",
            "Address of forward-auth for nginx, Traefik, Caddy and HAProxy; '' disables it.",
            none="",
        ),
    ] = Address("0.0.0.0", 8080)  # noqa: S104 - others ask from outside
    ext_authz_address: Annotated[
        ListenAddress | None,
        Flag(
            "HOST:PORT",
            "Address of ext_authz over HTTP for Envoy and Istio, on every path; '' disables it.",
            none="",
        ),
    ] = Address("0.0.0.0", 8081)  # noqa: S104 - others ask from outside
    ext_authz_grpc_address: Annotated[
        ListenAddress | None,
        Flag("HOST:PORT", "Address of ext_authz over gRPC for Envoy and Istio; '' disables it.", none=""),
    ] = None
    introspection_address: Annotated[
        ListenAddress | None,
        Flag("HOST:PORT", "Address of token introspection (RFC 7662) over TLS; '' disables it.", none=""),
    ] = Address("0.0.0.0", 8444)  # noqa: S104 - others ask from outside
    tls_cert_file: Annotated[
        Path | None, Flag("FILE", "Certificate chain in PEM format; reloaded when it changes.")
    ] = None
    tls_key_file: Annotated[Path | None, Flag("FILE", "Private key in PEM format, without password.")] = None
    client_ca_file: Annotated[
        Path | None,
        Flag(
            "FILE",
            "CA in PEM format. Clients of the TokenReview listener must have a certificate signed by it.",
        ),
    ] = None
    client_name: Annotated[
        tuple[str, ...],
        Flag("NAME", "Name that a client certificate must have (DNS, URI or CN); repeatable."),
    ] = ()
    trusted_proxy: Annotated[
        tuple[NetworkText, ...],
        Flag("CIDR", "Network of proxies whose X-Forwarded-For header is trusted; repeatable."),
    ] = ()
    peer_share: Annotated[
        Percent,
        Flag(
            "PERCENT",
            "Share of each listener's connections that one client address (of IPv6, one /64) may hold.",
        ),
    ] = 25
    allow_without_roles: Annotated[
        bool,
        Flag(
            "",
            "Accept valid tokens without any role on forward-auth and ext_authz, for proxies that only authenticate.",
        ),
    ] = False
    max_staleness: Annotated[
        Staleness, Flag("DURATION", "Answer 503 when the data from the API server is older than this.")
    ] = 60
    introspection_max_age: Annotated[
        Age,
        Flag(
            "DURATION",
            "How long clients may keep a response (the latest `exp`). 0s means until the token expires.",
        ),
    ] = 60

    @field_validator(*_LISTENERS, mode="before")
    @classmethod
    def _switch_off(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not any(getattr(self, name) for name in _LISTENERS):
            message = "all listeners are disabled; give one of them an address"
            raise ValueError(message)
        if self.client_name and not self.client_ca_file:
            message = "--client-name needs --client-ca-file: without it, no client sends a certificate"
            raise ValueError(message)
        if self.tls_cert_file and self.tls_key_file:
            return self
        for address, name in (
            (self.token_review_address, "token-review"),
            (self.introspection_address, "introspection"),
        ):
            if address is not None:
                message = (
                    f"the listener --{name}-address needs --tls-cert-file and --tls-key-file; "
                    f"or disable it with --{name}-address ''"
                )
                raise ValueError(message)
        return self
