"""Logs: one line per fact, key-values, JSON for machines or text for people, to standard error.

Every line, also of libraries, passes `_redact`: anything that looks like a token is cut down to its public id. That is
a second safeguard; the first is that a `Token` does not print itself.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

import structlog

from servicetokens.runtime.terminal import escape_controls

# The shape of tokens/format.py for every legal prefix; stated here again since runtime imports nothing of ours. Any
# text may precede it: in a URL that is `%20`.
_TOKEN: Final = re.compile(r"([a-z][a-z0-9]{1,9}_[0-9A-Za-z]{12}_)[0-9A-Za-z]{49}")

# Fields are flat, or lists; anything deeper is a whole object.
_MOST_NESTED: Final = 4

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure(level: LogLevel, log_format: LogFormat) -> None:
    """Send all logging of the process through one chain of processors. Called once, at start."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact,
                *([_escape] if log_format == "text" else []),
                renderer,
            ],
        )
    )
    handler.addFilter(_log_in_one_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These print request URLs or whole objects below this level, once per object.
    for name in ("kopf", "kubernetes", "aiohttp.access", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _log_in_one_line(record: logging.LogRecord) -> bool:
    """Drop the tracebacks of kopf's failures: they are answers of the API server, not bugs.

    Messages of asyncio about kopf's cancelled tasks and generators are dropped completely.
    """
    if record.name.startswith("kopf"):
        record.exc_info = record.exc_text = None
    return not (record.name == "asyncio" and _is_about_kopf(record))


def _is_about_kopf(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    frames = traceback.extract_tb(error.__traceback__) if error is not None else ()
    return "/kopf/" in record.getMessage() or any("/kopf/" in frame.filename for frame in frames)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that takes an event and key-values: `log.info("token minted", namespace=..., id=...)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def redact(text: str) -> str:
    """Cut every token in *text* down to its prefix and public id."""
    return _TOKEN.sub(r"\1…", text)


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _plain(value, _MOST_NESTED)
    return event


def _plain(value: Any, levels: int) -> Any:
    """Return the JSON form of *value* with every token redacted: lists stay lists, without Python syntax."""
    if isinstance(value, (bool, int, float, type(None))):
        return value
    if isinstance(value, str):
        return redact(value)
    if levels > 0 and isinstance(value, Mapping):
        return {redact(str(key)): _plain(one, levels - 1) for key, one in value.items()}
    if levels > 0 and isinstance(value, (list, tuple)):
        return [_plain(one, levels - 1) for one in value]
    if levels > 0 and isinstance(value, (set, frozenset)):
        return sorted((_plain(one, levels - 1) for one in value), key=str)
    return redact(str(value))


def _escape(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what a terminal would interpret, since the API server quotes foreign text. JSON escapes it already."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escape_controls(value, keep="\n" if key == "exception" else "")
    return event
