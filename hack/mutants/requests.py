"""Mistakes about the requests that proxies ask about."""

from typing import Final

from mutants.mutant import Mutant

RULES: Final = "authn/requests.py"
ORIGINAL: Final = "validator/original.py"
EXT_AUTHZ: Final = "validator/ext_authz.py"
HTTP: Final = "validator/http.py"
HEADS: Final = "validator/heads.py"
_TARGETS: Final = ("tests/unit/validator/test_targets.py",)
PLACES: Final = "runtime/places.py"
_CONNECTIONS: Final = ("tests/unit/validator/test_http.py", "tests/unit/validator/test_http_limits.py")
_HEALTH: Final = ("tests/unit/runtime/test_health.py",)
_SHARES: Final = ("tests/unit/validator/test_shares.py",)

ONE_SHOT: Final = "kube/oneshot.py"
_ONE_SHOT_TESTS: Final = ("tests/unit/kube/test_oneshot.py",)

GRPC_CALLS: Final = "validator/grpc_calls.py"
_GRPC_CALLS_TESTS: Final = ("tests/unit/validator/test_grpc_calls.py",)

MUTANTS: Final = (
    Mutant(
        "waits for the message of a call by gRPC as long as the client likes",
        GRPC_CALLS,
        "asyncio.timeout(HANDSHAKE_SECONDS)",
        "asyncio.timeout(None)",
        _GRPC_CALLS_TESTS,
    ),
    Mutant(
        "lets a peer have any number of calls by gRPC",
        GRPC_CALLS,
        "        if objection:\n",
        "        if False:\n",
        _GRPC_CALLS_TESTS,
    ),
    Mutant(
        "counts a call by gRPC also when it has ended",
        GRPC_CALLS,
        "lambda _: self._shares.give_back(peer)",
        "lambda _: None",
        _GRPC_CALLS_TESTS,
    ),
    Mutant(
        "quotes a password in the address of the API server",
        "kube/access.py",
        "Access(server.with_user(None), ",
        "Access(server, ",
        ("tests/unit/kube/test_access.py",),
    ),
    Mutant(
        "calls a pod on the network of its node like the node",
        "runtime/identity.py",
        "environment.get(POD_NAME) or os.uname().nodename",
        "os.uname().nodename",
        ("tests/unit/runtime/test_identity.py",),
    ),
    Mutant(
        "calls a time with a line break behind it one that is out of range",
        "api/values.py",
        r're.search(pattern.replace("$", r"\Z"), text)',
        "re.search(pattern, text)",
        ("tests/unit/api/test_times.py",),
    ),
    Mutant(
        "lets a limit be removed, and all that it kept out be accepted",
        "api/rules.py",
        'f"!has(oldSelf.{field}) || has(self.{field})"',
        'f"!has(oldSelf.{field}) || !has(oldSelf.{field}) || true"',
        ("tests/unit/crdgen/test_drift.py",),
    ),
    Mutant(
        "grants a role without a limit only to tokens that expire",
        "authn/reading.py",
        "values.parse_lifetime(spec.max_lifetime)",
        "values.parse_duration(spec.max_lifetime)",
        ("tests/unit/authn/test_occasions.py",),
    ),
    Mutant(
        "grants a role with a limit to tokens that never expire",
        "authn/roles.py",
        "return life is not None and life <= role.max_lifetime",
        "return life is None or life <= role.max_lifetime",
        ("tests/unit/authn/test_occasions.py",),
    ),
    Mutant(
        "shows people the regular expression of a field",
        "api/rules.py",
        "            raise sentence_error(kind, sentence) from None",
        "            raise",
        ("tests/unit/api/test_errors.py",),
    ),
    Mutant(
        "repeats a write of the plugin that may have been carried out",
        ONE_SHOT,
        "if idle is not None and repeatable:",
        "if idle is not None:",
        _ONE_SHOT_TESTS,
    ),
    Mutant(
        "takes half an answer to the plugin for a whole one",
        ONE_SHOT,
        "if not self._has_headers or has_length:",
        "if not self._has_headers:",
        _ONE_SHOT_TESTS,
    ),
    Mutant(
        "sends headers that stand in a credential",
        ONE_SHOT,
        'if any(character in line for line in lines for character in "\\r\\n\\0"):',
        "if False:",
        _ONE_SHOT_TESTS,
    ),
    Mutant(
        "cuts a fragment off before it looks",
        ORIGINAL,
        'return target.partition("?")[0]',
        'return target.partition("?")[0].partition("#")[0]',
        _TARGETS,
    ),
    Mutant(
        "lets any byte into a forwarded path",
        ORIGINAL,
        "if forwarded is not None and not forwarded.translate(TARGET_TABLE).isascii():",
        "if forwarded is None and False:",
        _TARGETS,
    ),
    Mutant(
        "lets any byte into the client's own target",
        EXT_AUTHZ,
        "if not request.target.translate(TARGET_TABLE).isascii():",
        "if not request.target.isascii():",
        _TARGETS,
    ),
    Mutant(
        "grants what can be decoded twice",
        RULES,
        "|%25(?:[0-9a-f]|%3[0-9]|%[46][1-6]){2}",
        "",
        _TARGETS,
    ),
    Mutant(
        "grants a NUL in a path",
        RULES,
        "%(?:[01][0-9a-f]|7f|",
        "%(?:1[0-9a-f]|0[1-9a-f]|7f|",
        _TARGETS,
    ),
    Mutant(
        "takes a segment with parameters for one with a name",
        RULES,
        r"/\.?(?:;|",
        r"/\.(?:",
        _TARGETS,
    ),
    Mutant(
        "goes on after an answer that came before the body",
        HTTP,
        "            self._answer()\n            self._end(lingers=True)\n            return\n",
        "            self._state = _ANSWERED\n            self._answer()\n            return\n",
        _CONNECTIONS,
    ),
    Mutant(
        "lets one peer take all connections",
        PLACES,
        "if self._by_peer[peer] + count > self._most_of_peer:",
        "if self._by_peer[peer] < 0:",
        _CONNECTIONS,
    ),
    Mutant(
        "never forgets the connections of a peer",
        PLACES,
        "self._by_peer[peer] -= count",
        "self._by_peer[peer] -= 0",
        _CONNECTIONS,
    ),
    Mutant(
        "counts a connection only after its TLS handshake",
        "validator/listener.py",
        "            if self._shares.take(peer, self.tick):\n",
        "            if False:\n",
        _SHARES,
    ),
    Mutant(
        "lets a TLS handshake take as long as it likes",
        "validator/listener.py",
        "handshake_seconds=self._handshake_seconds,",
        "handshake_seconds=3600,",
        _SHARES,
    ),
    Mutant(
        "counts a handshake that failed for ever",
        "validator/listener.py",
        "                self._arriving.remove(connection)\n                self._shares.give_back(peer)",
        "                self._arriving.remove(connection)",
        _SHARES,
    ),
    Mutant(
        "waits for the goodbye of a client that is not served",
        "validator/listener.py",
        "goodbye_seconds=_GOODBYE_SECONDS,",
        "goodbye_seconds=3600,",
        _SHARES,
    ),
    Mutant(
        "lets one peer take all connections by gRPC",
        "validator/grpc_peers.py",
        "copy.shutdown(socket.SHUT_RDWR)",
        "pass",
        _SHARES,
    ),
    Mutant(
        "never forgets the connections by gRPC",
        "validator/grpc_peers.py",
        "self._shares.give_back(self._connected.pop(closed))",
        "pass",
        _SHARES,
    ),
    Mutant(
        "waits for a gRPC client that says nothing",
        "validator/ext_authz_grpc.py",
        '    ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),\n',
        "",
        _SHARES,
    ),
    Mutant(
        "lets one peer take all files by the health address",
        "runtime/health.py",
        "if self._places.take(peer):",
        "if False:",
        _HEALTH,
    ),
    Mutant(
        "keeps a connection to the health address on which nothing arrives",
        "runtime/health.py",
        "        if handler not in self._heard:\n            transport.abort()",
        "        pass",
        _HEALTH,
    ),
    Mutant(
        "waits for chunks that were announced",
        HEADS,
        "        or values[ENCODING] is not None\n        or values[EXPECT]",
        "        or values[EXPECT]",
        _CONNECTIONS,
    ),
)
