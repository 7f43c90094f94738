"""What the operator writes into a Secret in addition to the token, and how it recognises its own content later.

The token's value is never kept, so a placeholder replaces it everywhere here: the desired content contains the
placeholder, and in a Secret that was read the value is replaced by it before the comparison.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicetokens.api import names, texts, times
from servicetokens.api.service_token import SecretTemplate
from servicetokens.lifecycle.snapshot import TokenFacts

# Not a text that users write: `\\{token}` in a template is the literal text.
TOKEN_MARK: Final = "\0token\0"
BASIC_MARK: Final = "\0basic\0"
_FILLED: Final = re.compile(
    rf"(?P<brace>{texts.ESCAPED_BRACE})|\{{(?P<word>token|basic|id|account|namespace|expires)\}}"
)
_OURS: Final = (
    names.ANNOTATION_TOKEN_NAME,
    names.ANNOTATION_TOKEN_ID,
    names.ANNOTATION_SERIAL,
    names.ANNOTATION_MINT_TIME,
    names.ANNOTATION_EXPIRES,
    names.ANNOTATION_EXPIRED,
    names.ANNOTATION_TEMPLATE,
    *names.ARGO_ANNOTATIONS,
)
# 128 bits: different contents have different digests, and 50,000 of them stay small.
_FINGERPRINT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Content:
    """Labels, annotations and data of a Secret as the operator wants them.

    Data are in plain text, with placeholders for the token, and for base64 of *user* and token (HTTP Basic, RFC 7617).
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    data: Mapping[str, str]
    user: str

    @property
    def fingerprint(self) -> str:
        """A digest of all of it."""
        return _digest(self.labels, self.annotations, self.data)

    def filled(self, value: str) -> dict[str, str]:
        """Return the data with *value* as the token."""
        basic = _basic(self.user, value)
        return {
            key: text.replace(BASIC_MARK, basic).replace(TOKEN_MARK, value) for key, text in self.data.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The credential that a Secret is for; *end* None means that it never expires."""

    token_id: str
    serial: int
    mint_time: int
    end: int | None
    expired: bool = False


def desired_content(token: TokenFacts, subject: Subject) -> Content:
    """Return the content of *token*'s Secret for *subject*."""
    template = _template_of(token)
    labels, annotations, data = template.labels or {}, template.annotations or {}, template.data or {}
    facts = {
        "token": TOKEN_MARK,
        "basic": BASIC_MARK,
        "id": subject.token_id,
        "account": token.account_name,
        "namespace": token.namespace,
        "expires": times.moment(subject.end),
    }
    own = {
        names.ANNOTATION_TOKEN_NAME: token.name,
        names.ANNOTATION_TOKEN_ID: subject.token_id,
        names.ANNOTATION_SERIAL: str(subject.serial),
        names.ANNOTATION_MINT_TIME: times.moment(subject.mint_time),
        names.ANNOTATION_EXPIRES: facts["expires"],
    }
    if subject.expired:
        own[names.ANNOTATION_EXPIRED] = "true"
    filled = {
        key: _FILLED.sub(lambda match: "{" if match["brace"] else facts[match["word"]], text)
        for key, text in data.items()
    }
    has_basic = any(BASIC_MARK in text for text in filled.values())
    if owned := _owned(labels, annotations, data, token.account_name if has_basic else ""):
        own[names.ANNOTATION_TEMPLATE] = owned
    return Content(
        labels={**labels, names.LABEL_TOKEN_SECRET: "true"},
        # The template comes after Argo CD's annotations: they are a default that users may change.
        annotations={**names.ARGO_ANNOTATIONS, **annotations, **own},
        data={names.SECRET_KEY: TOKEN_MARK, **filled},
        user=token.account_name,
    )


def found_fingerprint(
    labels: Mapping[str, str], annotations: Mapping[str, str], data: Mapping[str, str]
) -> str:
    """Return the digest of what the operator owns in a Secret that was read; *data* is decoded, without the token.

    Content of other writers is ignored, except where it replaces something owned.
    """
    owned = read_owned(annotations)
    token = data.get(names.SECRET_KEY, "")
    basic = _basic(_note(annotations).get("user"), token)
    ours = {key: data[key] for key in owned["data"] if key in data}
    if token:
        ours = {key: text.replace(basic, BASIC_MARK).replace(token, TOKEN_MARK) for key, text in ours.items()}
    return _digest(
        {key: labels[key] for key in (*owned["labels"], names.LABEL_TOKEN_SECRET) if key in labels},
        {key: annotations[key] for key in (*owned["annotations"], *_OURS) if key in annotations},
        {names.SECRET_KEY: TOKEN_MARK, **ours},
    )


def read_owned(annotations: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the keys that the template added to a Secret; empty where the note about them is missing or invalid."""
    note = _note(annotations)
    return {part: _strings(note.get(part)) for part in ("labels", "annotations", "data")}


def _note(annotations: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        found = json.loads(annotations.get(names.ANNOTATION_TEMPLATE, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _basic(user: object, value: str) -> str:
    return base64.b64encode(f"{user}:{value}".encode()).decode("ascii")


def _template_of(token: TokenFacts) -> SecretTemplate:
    secret = token.spec.secret if token.spec else None
    return (secret.template if secret else None) or SecretTemplate()


def _owned(
    labels: Mapping[str, str], annotations: Mapping[str, str], data: Mapping[str, str], user: str
) -> str:
    """Return the note about what the template added; *user* is that of `{basic}`, empty if unused."""
    owned: dict[str, Any] = {
        "labels": sorted(labels),
        "annotations": sorted(annotations),
        "data": sorted(data),
        "user": user,
    }
    return (
        json.dumps({part: value for part, value in owned.items() if value}, separators=(",", ":"))
        if any(owned.values())
        else ""
    )


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _digest(*parts: Mapping[str, str]) -> str:
    text = json.dumps(parts, sort_keys=True, default=dict)
    return hashlib.blake2b(text.encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()
