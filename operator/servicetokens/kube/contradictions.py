"""Fields of a kubeconfig that exclude each other, or that cannot be used."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servicetokens.kube.entries import ClusterEntry, ExecEntry, UserEntry


def check_exec(entry: "ExecEntry", who: str) -> None:
    """Reject entries with which no program can be started. Raises `ValueError`."""
    variables = entry.env or []
    for is_wrong, what in (
        (not entry.command, "exec.command is empty"),
        (not entry.api_version, "exec.apiVersion is empty"),
        (
            any("\0" in one for one in (entry.command, *(entry.args or ()))),
            "exec.command and exec.args must not contain a NUL character",
        ),
        (
            any(not one.name or "=" in one.name or "\0" in one.name + one.value for one in variables),
            "exec.env needs names without '=', and no NUL character anywhere",
        ),
    ):
        if is_wrong:
            message = f"{who}: {what}"
            raise ValueError(message)


def check(cluster: "ClusterEntry", user: "UserEntry", who: str) -> None:
    """Reject what kubectl rejects, in one sentence. Raises `ValueError`."""
    certificate = user.client_certificate or user.client_certificate_data
    key = user.client_key or user.client_key_data
    for is_wrong, message in (
        (
            cluster.insecure_skip_tls_verify
            and bool(cluster.certificate_authority or cluster.certificate_authority_data),
            "insecure-skip-tls-verify and certificate-authority exclude each other",
        ),
        (
            bool(user.token or user.token_file) and bool(user.username or user.password),
            f"{who} has a token and a password: only one is allowed",
        ),
        (
            bool(user.exec and user.auth_provider),
            f"{who} has exec and auth-provider: only one is allowed",
        ),
        *(
            (
                bool(getattr(entry, name)) and bool(getattr(entry, f"{name}_data")),
                f"{name.replace('_', '-')} and {name.replace('_', '-')}-data exclude each other",
            )
            for entry, name in (
                (cluster, "certificate_authority"),
                (user, "client_certificate"),
                (user, "client_key"),
            )
        ),
        (bool(certificate) != bool(key), f"{who} has a client certificate or a client key, but not both"),
        (
            bool(user.as_uid or user.as_groups or user.as_user_extra) and not user.impersonate,
            f"{who} has as-uid, as-groups or as-user-extra, but no user in `as`",
        ),
    ):
        if is_wrong:
            raise ValueError(message)
