"""What the operator writes into a Secret, and how it knows its own writing again."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from common.builders.facts import NOW, a_token
from servicetokens.api import names
from servicetokens.lifecycle.content import Content, Subject, desired_content, found_fingerprint, read_owned

SUBJECT = Subject(token_id="ID1", serial=3, mint_time=NOW, end=NOW + 60)
VALUE = "svt_0123456789AB_secret"


def templated(**template: Any) -> Content:
    """Return what is wanted of a token with a template."""
    return desired_content(a_token(secret={"template": template}), SUBJECT)


def written(content: Content, value: str = VALUE) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return labels, annotations and data as they stand in the Secret."""
    return dict(content.labels), dict(content.annotations), content.filled(value)


def test_a_secret_without_a_template_has_label_marks_and_token() -> None:
    """Argo CD must neither report nor prune it."""
    content = desired_content(a_token(), SUBJECT)
    assert content.labels == {"servicetokens.dev/token-secret": "true"}
    assert content.annotations == {
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "argocd.argoproj.io/sync-options": "Prune=false",
        "servicetokens.dev/token-name": "ci-prod",
        "servicetokens.dev/token-id": "ID1",
        "servicetokens.dev/serial": "3",
        "servicetokens.dev/mint-time": "2027-01-15T08:00:00Z",
        "servicetokens.dev/expires": "2027-01-15T08:01:00Z",
    }
    assert content.filled(VALUE) == {"token": VALUE}


def test_an_end_that_never_comes_and_one_that_has_come_are_said() -> None:
    """In words and by a mark."""
    forever = desired_content(a_token(), replace(SUBJECT, end=None))
    assert forever.annotations[names.ANNOTATION_EXPIRES] == "never"
    expired = desired_content(a_token(), replace(SUBJECT, expired=True))
    assert expired.annotations[names.ANNOTATION_EXPIRED] == "true"


def test_placeholders_are_filled_and_other_braces_stay() -> None:
    """The writer fills in the token itself."""
    content = templated(data={"a": "{account}@{namespace} {id} {expires} {token}", "b": '{"x": {}}'})
    assert content.filled(VALUE)["a"] == f"ci@team-a ID1 2027-01-15T08:01:00Z {VALUE}"
    assert content.filled(VALUE)["b"] == '{"x": {}}'
    assert VALUE not in str(content)


def test_basic_is_base64_of_account_and_token() -> None:
    """As the header of HTTP Basic and the configuration of Docker have it."""
    config = '{"auths": {"registry.example.com": {"auth": "{basic}"}}}'
    filled = templated(data={".dockerconfigjson": config}).filled(VALUE)[".dockerconfigjson"]
    auth = json.loads(filled)["auths"]["registry.example.com"]["auth"]
    assert base64.b64decode(auth).decode() == f"ci:{VALUE}"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        (r"$\{user.home}", "${user.home}"),
        (r"\{\{ .x }}", "{{ .x }}"),
        (r"\{host}", "{host}"),
        (r"\{token}", "{token}"),
        (r"\{basic}:{id}", "{basic}:ID1"),
        (r"\{{id}}", "{ID1}"),
        (r"\\{host}", r"\{host}"),
        (r"C:\dir \n \}", r"C:\dir \n \}"),
    ],
)
def test_a_brace_behind_a_backslash_is_a_brace(text: str, literal: str) -> None:
    """Nothing is filled in there, and no other backslash is touched; what was written is recognised."""
    content = templated(data={"a": text})
    assert content.filled(VALUE)["a"] == literal
    assert found_fingerprint(*written(content)) == content.fingerprint


def test_our_own_keys_win_and_argos_marks_may_be_changed() -> None:
    """The latter are a default."""
    content = templated(annotations={"argocd.argoproj.io/sync-options": "Prune=true"})
    assert content.annotations["argocd.argoproj.io/sync-options"] == "Prune=true"


TEMPLATES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "labels": {"labels": {"team": "a"}},
    "all": {
        "labels": {"t": "a"},
        "annotations": {"x": "y"},
        "data": {"h": "Bearer {token}", "b": "x{basic}{token}", "e": ""},
    },
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_own_content_is_recognised_and_foreign_content_is_ignored(template: dict[str, Any]) -> None:
    """Other people's labels, annotations and keys are no drift."""
    content = templated(**template)
    labels, annotations, data = written(content)
    assert found_fingerprint(labels, annotations, data) == content.fingerprint
    assert (
        found_fingerprint(labels | {"o": "1"}, annotations | {"o": "1"}, data | {"o": "1"})
        == content.fingerprint
    )


@pytest.mark.parametrize("value", [VALUE, "", "x", "{token}"])
def test_the_value_itself_plays_no_part(value: str) -> None:
    """Whether it is right is the verifier's question."""
    content = templated(labels={"team": "a"})
    assert found_fingerprint(*written(content, value)) == content.fingerprint


def test_every_change_of_what_is_ours_is_drift() -> None:
    """Label, annotation, key: changed or gone."""
    content = templated(**TEMPLATES["all"])
    for part in range(3):
        for key in written(content)[part]:
            if key == names.SECRET_KEY:
                continue
            for change in ("x", None):
                parts = written(content)
                if change is None:
                    del parts[part][key]
                else:
                    parts[part][key] += change
                assert found_fingerprint(*parts) != content.fingerprint, (part, key, change)


@pytest.mark.parametrize(
    "note",
    ["", "{", "[]", "5", '{"user": 5}', '{"labels": 5}', '{"labels": [5, "team"]}', '"labels"', "null"],
)
def test_a_garbled_note_of_what_is_ours_is_read_as_far_as_it_goes(note: str) -> None:
    """It is an annotation, so any user may have edited it."""
    owned = read_owned({names.ANNOTATION_TEMPLATE: note})
    assert owned["labels"] in ((), ("team",))
    assert owned["annotations"] == owned["data"] == ()
