"""Taking a known value out of foreign text: in every form, whole and in pieces, and nothing else."""

import base64
import json
import urllib.parse
from collections.abc import Callable

import pytest

from servicetokens.runtime.redaction import REDACTED, redact

TOKEN = "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
KEY = bytes(range(0x20, 0x40))
# What a policy may quote: the value alone, and in texts that begin at each offset of base64.
TEXTS = [prefix + TOKEN + suffix for prefix in ("", "x", "xy", "Bearer ") for suffix in ("", "\n", "-end")]


def forms(text: str) -> list[str]:
    """Return *text* in the forms that servers and tools give it."""
    encoded = base64.b64encode(text.encode()).decode()
    plain = [text, encoded, base64.urlsafe_b64encode(text.encode()).decode(), text.encode().hex()]
    plain.append(base64.b64encode(encoded.encode()).decode())
    return [*plain, *(urllib.parse.quote(one, safe="") for one in plain), *(json.dumps(one) for one in plain)]


@pytest.mark.parametrize("text", TEXTS)
def test_no_form_of_a_value_leaves_a_piece_of_it(text: str) -> None:
    """Nothing of eight characters or more that depends on the value stays, cut off or not."""
    for form in forms(text):
        for quoted in (form, form[: len(form) // 2]):
            hidden = redact(f"denied by policy: {quoted}", [TOKEN.encode()])
            assert hidden.startswith("denied by policy: ")
            assert REDACTED in hidden
            left = hidden.removeprefix("denied by policy: ").replace(REDACTED, " ")
            # The neighbours of the value, and the characters of base64 that they share with it.
            assert all(len(piece) < 16 for piece in left.split()), hidden


@pytest.mark.parametrize(
    "written",
    [
        lambda value: str(list(value)),
        lambda value: f"map[token:{str(list(value)).replace(',', '')}]",
        lambda value: value.hex(" "),
        lambda value: ", ".join(f"0x{byte:02x}" for byte in value),
    ],
    ids=["Python", "Go", "hexadecimal", "source"],
)
def test_a_list_of_the_bytes_is_found_too(written: Callable[[bytes], str]) -> None:
    """As a webhook prints data that it takes for bytes. Three bytes in a row are not left."""
    value = TOKEN.encode()
    hidden = redact(f"denied: {written(b'Bearer ' + value)}", [value])
    assert REDACTED in hidden
    assert not any(written(value[at : at + 3]).strip("[]map:token") in hidden for at in range(len(value) - 2))


def test_a_key_of_bytes_is_found_too() -> None:
    """The operator writes keys and certificates as well."""
    quoted = base64.b64encode(KEY).decode()
    assert quoted not in redact(f'data: {{"k1": "{quoted}"}}', [KEY])


def test_what_is_no_secret_stays_as_it_is() -> None:
    """A message is for people."""
    message = 'secrets "ci-prod" is forbidden: exceeded quota: none, requested: count/secrets=1'
    assert redact(message, [TOKEN.encode(), KEY]) == message
