"""Exec credential plugins (client.authentication.k8s.io): run as kubectl runs them; a failure sends nothing.

The plugin is the user's own program, named in the user's own kubeconfig. On a terminal its stderr is shown as it
comes, since a person may have to act on it; elsewhere its last words become part of our error.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from servicetokens.api.values import parse_recorded_time
from servicetokens.kube.kubeconfig import ClusterEntry, ExecEntry

_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_INFO: Final = "KUBERNETES_EXEC_INFO"
_CONFIG_EXTENSION: Final = "client.authentication.k8s.io/exec"
# Without a terminal nobody can answer a question of the plugin; one that waits for an answer must not hang us.
_SECONDS: Final = 60.0
_MAX_OUTPUT: Final = 1024 * 1024
_MAX_WORDS: Final = 500


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What a plugin answered. *expires* is a Unix second; None is unknown."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: int | None = None


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: _Status | None = None


async def run(entry: ExecEntry, cluster: ClusterEntry) -> ExecCredential:
    """Run the plugin and return its credential. Raises `ValueError` with a sentence for people."""
    if entry.api_version not in _VERSIONS:
        message = f"exec: apiVersion '{entry.api_version}' is not supported, only {' and '.join(_VERSIONS)}"
        raise ValueError(message)
    interactive = _is_interactive(entry)
    out, words, code = await _run(entry, _environment(entry, cluster, interactive=interactive), interactive)
    if code != 0:
        said = f": {words}" if words else ""
        message = f"the exec plugin '{entry.command}' failed with exit code {code}{said}"
        raise ValueError(message)
    return _read(entry, out)


async def _run(
    entry: ExecEntry,
    environment: Mapping[str, str],
    interactive: bool,  # noqa: FBT001 - private
) -> tuple[bytes, str, int]:
    try:
        process = await asyncio.create_subprocess_exec(
            entry.command,
            *(entry.args or ()),
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
        )
    except FileNotFoundError:
        hint = f": {entry.install_hint.strip()}" if entry.install_hint.strip() else ""
        message = f"the exec plugin '{entry.command}' does not exist{hint}"
        raise ValueError(message) from None
    except OSError as error:
        message = f"the exec plugin '{entry.command}' cannot be started: {error.strerror}"
        raise ValueError(message) from None
    try:
        async with asyncio.timeout(None if interactive else _SECONDS):
            out, words = await asyncio.gather(_output(process), _words(process))
            return out, words, await process.wait()
    except TimeoutError:
        message = f"the exec plugin '{entry.command}' did not end within {_SECONDS:.0f} s"
        raise ValueError(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _output(process: asyncio.subprocess.Process) -> bytes:
    found = b""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    while part := await process.stdout.read(65536):
        found = (found + part)[: _MAX_OUTPUT + 1]
    return found


async def _words(process: asyncio.subprocess.Process) -> str:
    """Return the last of what the plugin says; nothing, if a person has seen it already."""
    shown = sys.stderr.isatty()
    found = b""
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    while part := await process.stderr.read(4096):
        if shown:
            sys.stderr.write(part.decode("utf-8", "replace"))
            sys.stderr.flush()
        found = (found + part)[-4 * _MAX_WORDS :]
    if shown:
        return ""
    said = " ".join(found.decode("utf-8", "replace").split())
    return "".join(character for character in said if character.isprintable())[-_MAX_WORDS:]


def _is_interactive(entry: ExecEntry) -> bool:
    modes = ("Never", "IfAvailable", "Always")
    if entry.interactive_mode not in (modes if entry.api_version == _VERSIONS[0] else ("", *modes)):
        message = f"exec: interactiveMode must be one of {', '.join(modes)}"
        raise ValueError(message)
    is_possible = sys.stdin.isatty()
    if entry.interactive_mode == "Always" and not is_possible:
        message = f"the exec plugin '{entry.command}' asks questions (interactiveMode Always), and there is no terminal"
        raise ValueError(message)
    return is_possible and entry.interactive_mode != "Never"


def _environment(entry: ExecEntry, cluster: ClusterEntry, *, interactive: bool) -> Mapping[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if entry.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster)
    info = {"kind": "ExecCredential", "apiVersion": entry.api_version, "spec": spec}
    variables = {one.name: one.value for one in entry.env or ()}
    return {**os.environ, **variables, _INFO: msgspec.json.encode(info).decode()}


def _cluster_info(cluster: ClusterEntry) -> Mapping[str, Any]:
    config = next(
        (
            one.get("extension")
            for one in cluster.extensions or ()
            if isinstance(one, dict) and one.get("name") == _CONFIG_EXTENSION
        ),
        None,
    )
    authority = cluster.certificate_authority_data
    if cluster.certificate_authority and not authority:
        import base64  # noqa: PLC0415 - rarely needed
        from pathlib import Path  # noqa: PLC0415 - as above

        authority = base64.b64encode(Path(cluster.certificate_authority).read_bytes()).decode()
    found = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": authority,
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": config,
    }
    return {name: value for name, value in found.items() if value}


def _read(entry: ExecEntry, out: bytes) -> ExecCredential:
    # What was printed is never quoted: it is a credential.
    who = f"the exec plugin '{entry.command}'"
    try:
        answer = msgspec.json.decode(out[:_MAX_OUTPUT], type=_Answer)
    except msgspec.MsgspecError:
        message = f"{who} printed something that is not an ExecCredential in JSON"
        raise ValueError(message) from None
    if answer.kind != "ExecCredential" or answer.api_version != entry.api_version:
        message = f"{who} printed something other than an ExecCredential of '{entry.api_version}'"
        raise ValueError(message)
    status = answer.status or _Status()
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        message = f"{who} printed a client certificate or a client key, but not both"
        raise ValueError(message)
    if not status.token and not status.client_certificate_data:
        message = f"{who} printed an ExecCredential without a token and without a client certificate"
        raise ValueError(message)
    expires = None
    if status.expiration_timestamp is not None:
        try:
            expires = parse_recorded_time(status.expiration_timestamp)
        except ValueError:
            message = f"{who} printed an expirationTimestamp that is not a time"
            raise ValueError(message) from None
    return ExecCredential(
        status.token, status.client_certificate_data.encode(), status.client_key_data.encode(), expires
    )
