"""pydantic's errors, worded for the author of a manifest."""

from typing import Any, Final

from pydantic_core import ErrorDetails

_SENTENCES: Final = {
    "missing": "is required",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must have {min_length} entries or more",
    "too_long": "must have {max_length} entries or fewer",
    "literal_error": "must be {expected}",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be a map",
}


def sentence(error: ErrorDetails) -> str:
    """Return what is wrong with a field, as the end of a sentence that begins with its path."""
    known = _SENTENCES.get(error["type"])
    facts: dict[str, Any] = error.get("ctx", {})
    return error["msg"] if known is None else known.format(**facts)
