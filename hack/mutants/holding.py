"""Mistakes about what connections hold in memory, and about heads that leave a doubt."""

from typing import Final

from mutants.mutant import Mutant

HTTP: Final = "validator/http.py"
HEADS: Final = "validator/heads.py"
REVIEW: Final = "validator/token_review.py"
_MEMORY: Final = ("tests/unit/validator/test_memory.py",)
_CONNECTIONS: Final = ("tests/unit/validator/test_http.py",)
_TARGETS: Final = ("tests/unit/validator/test_targets.py",)

MUTANTS: Final = (
    Mutant(
        "holds as much of unfinished requests as clients send",
        HTTP,
        "self._reject(HTTPStatus.SERVICE_UNAVAILABLE, objection)",
        "pass",
        _MEMORY,
    ),
    Mutant(
        "rejects a short request because others hold long ones",
        HTTP,
        "held - FREE_BYTES - self._held",
        "held - self._held",
        _MEMORY,
    ),
    Mutant(
        "counts what a request held also when it was answered",
        HTTP,
        "self._server.held.give_back(self.origin.peer, self._held)",
        "pass",
        _MEMORY,
    ),
    Mutant(
        "keeps the header of a request that was answered",
        HTTP,
        "        request.values = self._values = self._blank\n",
        "",
        _MEMORY,
    ),
    Mutant(
        "keeps the body of a request that was answered",
        HTTP,
        'request.target = request.body = b""',
        'request.target = b""',
        _MEMORY,
    ),
    Mutant(
        "reserves a large buffer for each connection with TLS",
        "validator/tls.py",
        "_BUFFER: Final = 16 * 1024",
        "_BUFFER: Final = 256 * 1024",
        _MEMORY,
    ),
    Mutant(
        "keeps the answer to a TokenReview however long it is",
        REVIEW,
        "if sum(map(len, audiences)) > _MOST_KEPT:",
        "if False:",
        _MEMORY,
    ),
    Mutant(
        "lets any byte into the target of a TokenReview",
        REVIEW,
        "if not request.target.translate(TARGET_TABLE).isascii():",
        "if False:",
        _TARGETS,
    ),
    Mutant(
        "lets any byte into the target of an introspection",
        "validator/introspection.py",
        "if not request.target.translate(TARGET_TABLE).isascii():",
        "if False:",
        _TARGETS,
    ),
    Mutant(
        "reads chunks in HTTP/1.0",
        HEADS,
        "values[LENGTH] is not None or version == HTTP_1_0 or ",
        "values[LENGTH] is not None or ",
        _CONNECTIONS,
    ),
    Mutant(
        "answers any version of HTTP",
        HEADS,
        "if version not in {HTTP_1_1, HTTP_1_0}:",
        "if False:",
        _CONNECTIONS,
    ),
    Mutant(
        "counts nowhere what a client presents that fails too often",
        "validator/audit.py",
        "self._strangers.leave_out()",
        "pass",
        ("tests/unit/validator/test_audit.py",),
    ),
)
