"""Exec credential plugins (client.authentication.k8s.io): run as kubectl runs them; after a failure nothing is sent.

The plugin is the user's own program, named in the user's own kubeconfig. On a terminal its stderr is shown as it
arrives, since the user may have to act on it; elsewhere its last words become part of our error.
"""

import asyncio
import base64
import codecs
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from servicetokens.api.values import parse_recorded_time
from servicetokens.kube.entries import ClusterEntry, ExecEntry
from servicetokens.kube.kubeconfig import read_first, without_nulls

_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_INFO: Final = "KUBERNETES_EXEC_INFO"
_CONFIG_EXTENSION: Final = "client.authentication.k8s.io/exec"
# Without a terminal a question of the plugin cannot be answered; one that waits for an answer must not hang us.
_SECONDS: Final = 60.0
# Once a plugin has exited, all its output is in the pipe: this is only for a busy machine.
_DRAIN_SECONDS: Final = 1.0
_STDOUT: Final = 1
_MAX_OUTPUT: Final = 1024 * 1024
_MAX_WORDS: Final = 500


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """The answer of a plugin. *expires* is a Unix second; None if unknown."""

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


class _Process(asyncio.SubprocessProtocol):
    """A running plugin: its output, its messages, and its exit. *is_shown*: the user sees its messages."""

    def __init__(self, *, is_shown: bool) -> None:
        self.out = b""
        self.has_ended = asyncio.Event()
        self.is_drained = asyncio.Event()
        self._said = b""
        self._is_shown = is_shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """See `asyncio.SubprocessProtocol`."""
        if fd == _STDOUT:
            self.out = (self.out + data)[: _MAX_OUTPUT + 1]
            return
        if self._is_shown:
            sys.stderr.write(self._decoder.decode(data))
            sys.stderr.flush()
        self._said = (self._said + data)[-4 * _MAX_WORDS :]

    def process_exited(self) -> None:
        """See `asyncio.SubprocessProtocol`."""
        self.has_ended.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """See `asyncio.SubprocessProtocol`: it has exited, and both pipes are closed."""
        self.is_drained.set()

    @property
    def words(self) -> str:
        """The last of its messages; empty if the user has seen them already."""
        if self._is_shown:
            return ""
        said = " ".join(self._said.decode("utf-8", "replace").split())
        return "".join(character for character in said if character.isprintable())[-_MAX_WORDS:]


async def run(entry: ExecEntry, cluster: ClusterEntry, authority: bytes = b"") -> ExecCredential:
    """Run the plugin and return its credential. Raises `ValueError` with a sentence for people.

    *authority* is what the server is verified with, for plugins that request it (`provideClusterInfo`).
    """
    if entry.api_version not in _VERSIONS:
        message = f"exec: apiVersion '{entry.api_version}' is not supported, only {' and '.join(_VERSIONS)}"
        raise ValueError(message)
    interactive = _is_interactive(entry)
    environment = _environment(entry, cluster, authority, interactive=interactive)
    process = _Process(is_shown=sys.stderr.isatty())
    code = await _run(entry, process, environment, interactive=interactive)
    if code != 0:
        how = f"failed with exit code {code}" if code > 0 else f"was killed by signal {-code}"
        said = f": {process.words}" if process.words else ""
        message = f"the exec plugin '{entry.command}' {how}{said}"
        raise ValueError(message)
    return _read(entry, process.out)


async def _run(
    entry: ExecEntry, process: _Process, environment: Mapping[str, str], *, interactive: bool
) -> int:
    """Return the exit code; that of a process which a signal has killed is the negative number of that."""
    try:
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: process,
            entry.command,
            *(entry.args or ()),
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            env=dict(environment),
        )
    except FileNotFoundError:
        raise ValueError(_not_found(entry)) from None
    except OSError as error:
        message = f"the exec plugin '{entry.command}' cannot be started: {error.strerror}"
        raise ValueError(message) from None
    try:
        async with asyncio.timeout(None if interactive else _SECONDS):
            await process.has_ended.wait()
        # Its background processes may keep the pipes open without limit, and their output is not needed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await process.is_drained.wait()
    except TimeoutError:
        message = f"the exec plugin '{entry.command}' did not end within {_SECONDS:.0f} s"
        raise ValueError(message) from None
    finally:
        await _end(transport, process)
    code = transport.get_returncode()
    assert code is not None  # noqa: S101 - it has ended
    return code


async def _end(transport: asyncio.SubprocessTransport, process: _Process) -> None:
    """Remove all of it: neither the process nor a pipe remains, which would be closed after the event loop."""
    if not process.has_ended.is_set():
        with contextlib.suppress(ProcessLookupError):
            transport.kill()
        await process.has_ended.wait()
    transport.close()
    await process.is_drained.wait()


def _not_found(entry: ExecEntry) -> str:
    if "/" in entry.command and Path(entry.command).exists():
        return f"the exec plugin '{entry.command}' cannot be started: the interpreter in its first line does not exist"
    hint = f": {entry.install_hint.strip()}" if entry.install_hint.strip() else ""
    return f"the exec plugin '{entry.command}' does not exist{hint}"


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


def _environment(
    entry: ExecEntry, cluster: ClusterEntry, authority: bytes, *, interactive: bool
) -> Mapping[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if entry.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster, authority)
    info = {"kind": "ExecCredential", "apiVersion": entry.api_version, "spec": spec}
    variables = {one.name: one.value for one in entry.env or ()}
    return {**os.environ, **variables, _INFO: msgspec.json.encode(info).decode()}


def _cluster_info(cluster: ClusterEntry, authority: bytes) -> Mapping[str, Any]:
    config = next(
        (
            one.get("extension")
            for one in cluster.extensions or ()
            if isinstance(one, dict) and one.get("name") == _CONFIG_EXTENSION
        ),
        None,
    )
    found = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority).decode("ascii"),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": config,
    }
    return {name: value for name, value in found.items() if value}


def _parsed(out: bytes) -> Any:
    """Parse the output of a plugin: JSON, or YAML, which kubectl accepts as well. Raises `ValueError`."""
    try:
        return msgspec.json.decode(out)
    except msgspec.MsgspecError:
        import yaml  # noqa: PLC0415 - rarely needed

        try:
            return read_first(out)
        except yaml.YAMLError as error:
            message = "it is neither JSON nor YAML"
            raise ValueError(message) from error


def _read(entry: ExecEntry, out: bytes) -> ExecCredential:
    # The output is never quoted: it is a credential.
    who = f"the exec plugin '{entry.command}'"
    try:
        answer = msgspec.convert(without_nulls(_parsed(out[:_MAX_OUTPUT])), _Answer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        message = f"{who} printed something that is not an ExecCredential"
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
