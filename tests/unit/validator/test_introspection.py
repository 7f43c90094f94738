"""RFC 7662, vector by vector: what a caller must be, and what it receives."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from structlog.testing import capture_logs

from common.builders.presenting import DAY, Surroundings
from common.drivers.asking import Reply, ask, make_rejections
from servicetokens.tokens.format import Token
from servicetokens.validator.failures import BURST
from servicetokens.validator.introspection import Introspection
from servicetokens.validator.metrics import DecisionCounts

FORM = ("Content-Type", "application/x-www-form-urlencoded")
MAX_AGE = 60


class Desk(Surroundings):
    """In addition to `ci`, an account that may introspect, with a token of its own; and the handler."""

    def __init__(self, *, max_age: int | None = MAX_AGE) -> None:
        super().__init__()
        self.put_role("gateway", permissions=["servicetokens:introspect"])
        self.put_role("orders-reader", permissions=["orders:read", "orders:list"])
        self.put_account(roles=["orders-reader", "gateway"])
        self.put_token(roles=["orders-reader"])
        self.caller = self.mint()
        self.put_caller()
        self.counts = DecisionCounts("introspection")
        self.handler = Introspection(
            self.authenticator,
            self.clock,
            self.counts,
            make_rejections(self, self.counts),
            max_age=max_age,
        )

    def put_caller(self, **spec: Any) -> None:
        """Put the caller's token, with the role that permits it unless *spec* says otherwise."""
        stored = [self.credential(self.caller, uid="u-caller")]
        self.put_token(uid="u-caller", name="gateway", credentials=stored, **({"roles": ["gateway"]} | spec))

    def ask(
        self, token: Token | str | None, *headers: tuple[str, str], fields: tuple[tuple[str, str], ...] = ()
    ) -> Reply:
        """Ask about *token* with those headers and further fields."""
        own = () if token is None else (("token", token if isinstance(token, str) else token.reveal()),)
        return self.post(urlencode([*own, *fields]).encode(), *headers)

    def post(
        self, body: bytes, *headers: tuple[str, str], target: str = "/introspect", method: str = "POST"
    ) -> Reply:
        """Send any body, as a form unless *headers* say otherwise."""
        kind = () if any(name == "Content-Type" for name, _ in headers) else (FORM,)
        return ask(self.handler, *kind, *headers, target=target, method=method, body=body)

    @property
    def basic(self) -> tuple[str, str]:
        """The caller's credentials by Basic."""
        return basic(self.caller.id, self.caller.reveal())

    @property
    def bearer(self) -> tuple[str, str]:
        """The same as a bearer token."""
        return ("Authorization", f"Bearer {self.caller.reveal()}")

    @property
    def posted(self) -> tuple[tuple[str, str], ...]:
        """The same in the form."""
        return (("client_id", "team-a/ci"), ("client_secret", self.caller.reveal()))


def basic(name: str, secret: str) -> tuple[str, str]:
    """Return the header, with both parts encoded as RFC 6749 asks."""
    pair = f"{quote(name, safe='')}:{quote(secret, safe='')}"
    return ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())


@pytest.fixture
def desk() -> Desk:
    """With a token that is good."""
    return Desk()


def test_a_valid_token_is_described(desk: Desk) -> None:
    """Every field by which known clients map it to a user."""
    reply = desk.ask(desk.token, desk.basic)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")
    assert json.loads(reply.body) == {
        "active": True,
        "token_type": "Bearer",
        "client_id": "team-a/ci",
        "username": "servicetoken:team-a:ci",
        "sub": "servicetoken:team-a:ci",
        "scope": "orders:list orders:read",
        "jti": desk.token.id,
        "iat": desk.clock.now(),
        "exp": desk.clock.now() + MAX_AGE,
        "servicetokens.dev/account-uid": "a-1",
        "servicetokens.dev/token-name": "ci-prod",
        "servicetokens.dev/roles": ["orders-reader"],
    }
    assert desk.counts.accepted == 1, "the caller itself is not counted"


def bad_tokens(desk: Desk) -> list[str]:
    """Expired, revoked, unknown, malformed, empty, and of a namespace that is not watched."""
    now = desk.clock.now()
    expired, revoked = desk.mint(), desk.mint()
    old = desk.credential(expired, uid="u-2", minted=now - 2 * DAY)
    desk.put_token(uid="u-2", name="old", credentials=[old], expiresAfter="1d")
    desk.put_token(uid="u-3", name="gone", credentials=[desk.credential(revoked, uid="u-3")], state="Revoked")
    stranger = desk.mint()
    return [
        expired.reveal(),
        revoked.reveal(),
        stranger.reveal(),
        "svt_junk",
        "",
        "svt_" + "A" * 12 + "_" + "b" * 49,
        "x" * 5000,
        "%00",
        "\x00" + desk.token.reveal(),
        desk.token.reveal() + " ",
        "тест",
    ]


def test_invalid_tokens_are_inactive_whatever_the_reason(desk: Desk) -> None:
    """The same bytes and the same headers, whatever is wrong with it."""
    replies = [desk.ask(token, desk.basic) for token in bad_tokens(desk)]
    assert all((reply.status, reply.body) == (200, b'{"active":false}') for reply in replies)
    assert len({tuple(reply.headers.items()) for reply in replies}) == 1


@pytest.mark.parametrize("name", ["", "nobody", "team-b/ci"])
def test_a_wrong_secret_or_name_is_an_invalid_client(desk: Desk, name: str) -> None:
    """Also a valid token that goes by another name, and broken Basic of every kind."""
    good = desk.caller.reveal()
    wrong = [
        basic(desk.caller.id, good[:-1] + "0"),
        basic(name, good),
        ("Authorization", "Basic"),
        ("Authorization", "Basic !!!!"),
        ("Authorization", "Basic " + base64.b64encode(b"\xff:\xff").decode()),
        ("Authorization", "Basic " + "A" * 5000),
        ("Authorization", "Digest x"),
    ]
    for header in wrong:
        reply = desk.ask(desk.token, header)
        assert (reply.status, json.loads(reply.body)) == (401, {"error": "invalid_client"})
        assert reply.headers["WWW-Authenticate"].startswith('Basic realm="servicetokens"')
    assert desk.counts.accepted == 0


def test_a_caller_without_credentials_is_rejected(desk: Desk) -> None:
    """Whether or not the token is valid; an id alone is no credential."""
    for fields in ((), (("client_id", "team-a/ci"),)):
        assert desk.ask(desk.token, fields=fields).status == 401
    wrong = desk.ask(desk.token, ("Authorization", "Bearer svt_junk"))
    assert (wrong.status, json.loads(wrong.body)) == (401, {"error": "invalid_token"})
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_request_without_a_token_is_invalid(desk: Desk) -> None:
    """Told to those only who may ask."""
    reply = desk.ask(None, desk.basic, fields=(("token_type_hint", "access_token"),))
    assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_request")
    assert desk.ask(None).status == 401


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "multipart/form-data; boundary=x"])
def test_only_forms_are_read(desk: Desk, kind: str) -> None:
    """Another type, or an encoding, is 415."""
    assert desk.post(b'{"token":"x"}', desk.basic, ("Content-Type", kind)).status == 415
    assert desk.post(b"token=x", desk.basic, ("Content-Encoding", "gzip")).status == 415
    assert desk.post(b"token=x", desk.basic, ("Content-Type", FORM[1] + ";charset=UTF-8")).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_is_served(desk: Desk, method: str) -> None:
    """The answer says so."""
    reply = desk.post(b"", desk.basic, method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")


def test_a_token_type_hint_does_not_restrict(desk: Desk) -> None:
    """Also an unknown one."""
    for hint in ("refresh_token", "access_token", "x"):
        reply = desk.ask(desk.token, desk.basic, fields=(("token_type_hint", hint),))
        assert json.loads(reply.body)["active"] is True


@pytest.mark.parametrize("name", ["token", "client_id", "client_secret"])
def test_a_repeated_field_is_rejected(desk: Desk, name: str) -> None:
    """Which of them counts would be ambiguous."""
    reply = desk.ask(desk.token, desk.basic, fields=((name, "x"), (name, "x")))
    assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("body", [b"token=x&" * 40, b"token=%ff%fe", b"\xff\xfe=1", b"token=%zz"])
def test_malformed_forms_give_no_decision(desk: Desk, body: bytes) -> None:
    """Too many fields, no token among them, or bytes that are no text: 400, or inactive where there is a token."""
    reply = desk.post(body, desk.basic)
    assert reply.status == 400 or reply.body == b'{"active":false}'


def test_basic_credentials_are_decoded_once(desk: Desk) -> None:
    """The slash in the name is percent-encoded by some clients and not by others."""
    secret = desk.caller.reveal()
    assert desk.ask(desk.token, basic("team-a/ci", secret)).status == 200
    pair = base64.b64encode(f"team-a/ci:{secret}".encode()).decode()
    assert desk.ask(desk.token, ("Authorization", f"basic {pair}")).status == 200
    twice = base64.b64encode(f"team-a%252Fci:{secret}".encode()).decode()
    assert desk.ask(desk.token, ("Authorization", f"Basic {twice}")).status == 401


def test_each_of_the_three_ways_to_authenticate_works(desk: Desk) -> None:
    """On its own; and two headers are one too many, also when they are the same."""
    for header in (desk.basic, desk.bearer):
        assert desk.ask(desk.token, header).status == 200
    assert desk.ask(desk.token, fields=desk.posted).status == 200
    assert desk.ask(desk.token, desk.basic, desk.basic).status == 400


def test_a_form_may_repeat_what_the_header_says(desk: Desk) -> None:
    """APISIX does so, others send the id alone, or an empty secret; the id may be either name of the caller."""
    secret = ("client_secret", desk.caller.reveal())
    for header in (desk.basic, desk.bearer):
        for name in (desk.caller.id, "team-a/ci"):
            for fields in ((("client_id", name), secret), (("client_id", name),)):
                assert desk.ask(desk.token, header, fields=fields).status == 200, (header, fields)
        assert desk.ask(desk.token, header, fields=(secret,)).status == 200
        assert desk.ask(desk.token, header, fields=(("client_id", ""), ("client_secret", ""))).status == 200


def test_a_form_that_contradicts_the_header_is_rejected(desk: Desk) -> None:
    """Another secret, or the name of another caller, whichever is right; the answer reveals nothing about the token."""
    other = desk.token
    secret = ("client_secret", desk.caller.reveal())
    for header in (desk.basic, desk.bearer):
        for fields in (
            (("client_secret", other.reveal()),),
            (("client_id", "team-a/ci"), ("client_secret", other.reveal())),
            (("client_id", "team-a/ci"), ("client_secret", "x")),
            (("client_id", "team-a/other"),),
            (("client_id", other.id),),
            (("client_id", "team-a/other"), secret),
            (("client_id", other.id), secret),
        ):
            reply = desk.ask(desk.token, header, fields=fields)
            assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_request"), fields
            assert b"active" not in reply.body
    wrong = basic("team-a/ci", "x")
    assert desk.ask(desk.token, wrong, fields=(("client_id", other.id),)).status == 401


@pytest.mark.parametrize("byte", range(0x80, 0x100))
def test_a_token_with_any_byte_is_a_bad_token(desk: Desk, byte: int) -> None:
    """Raw and percent-encoded, in UTF-8 and not: inactive, and never malformed."""
    text = desk.token.reveal().encode()
    for part in (b"%c" % byte, b"%%%02x" % byte):
        for value in (part, text + part, text[:20] + part + text[21:], part + text[1:]):
            reply = desk.post(b"token=" + value, desk.basic)
            assert (reply.status, reply.body) == (200, b'{"active":false}')
    assert desk.post(b"token=x&client_id=%c" % byte).status == 401
    assert desk.post(b"token=x&client_id=a&client_secret=%%%02x" % byte).status == 401


def test_every_error_is_json(desk: Desk) -> None:
    """Clients parse the body whatever the status is."""
    late = Desk()
    late.clock.advance(3600)
    for _ in range(BURST):
        desk.ask("x", basic("x", "x"))
    replies = [
        desk.post(b'{"token":"x"}', desk.basic, ("Content-Type", "application/json")),
        desk.post(b"--x", desk.basic, ("Content-Type", "multipart/form-data; boundary=x")),
        desk.post(b"", desk.basic, method="GET"),
        desk.post(b"", desk.basic, target="/other"),
        desk.post(b"token=x&" * 40, desk.basic),
        desk.ask(None, desk.basic),
        desk.ask("x"),
        desk.ask("x", basic("x", "x")),
        desk.ask("x", desk.basic, desk.basic),
        late.ask("x", late.basic),
        ask(desk.handler, ("Host", "a b"), target="/.well-known/openid-configuration"),
    ]
    assert [reply.status for reply in replies] == [415, 415, 405, 404, 400, 400, 401, 429, 400, 503, 400]
    for reply in replies:
        assert reply.headers["Content-Type"] == "application/json"
        assert isinstance(json.loads(reply.body)["error"], str)


def test_a_caller_without_permission_is_rejected(desk: Desk) -> None:
    """Also about its very own token."""
    own = desk.token.reveal()
    for header in (basic(desk.token.id, own), ("Authorization", f"Bearer {own}")):
        reply = desk.ask(own, header)
        assert reply.status == 403
        assert 'scope="servicetokens:introspect"' in reply.headers["WWW-Authenticate"]


def test_a_caller_that_is_rejected_with_its_own_token_is_named_in_the_log(desk: Desk) -> None:
    """It exists: without the permission, and under the name of another caller."""
    own = desk.token.reveal()
    with capture_logs() as lines:
        assert desk.ask(own, ("Authorization", f"Bearer {own}")).status == 403
        assert desk.ask(own, basic("team-a/another", own)).status == 401
    assert [(line["reason"], line["token_id"]) for line in lines] == [
        ("NotPermitted", desk.token.id),
        ("Malformed", desk.token.id),
    ]


def test_all_restrictions_of_a_callers_token_apply(desk: Desk) -> None:
    """Its networks are those of the service that asks; being revoked ends it immediately."""
    desk.put_caller(allowedCIDRs=["192.0.2.0/24"])
    assert desk.ask(desk.token, desk.basic).status == 200
    desk.put_caller(allowedCIDRs=["198.51.100.0/24"])
    assert desk.ask(desk.token, desk.basic).status == 401
    desk.put_caller(state="Revoked")
    assert desk.ask(desk.token, desk.basic).status == 401


def test_networks_reject_and_audiences_are_reported(desk: Desk) -> None:
    """The client's address is unknown here; the audiences have to be checked by the service that asks."""
    desk.put_token(roles=["orders-reader"], allowedCIDRs=["0.0.0.0/0"])
    assert desk.ask(desk.token, desk.basic).body == b'{"active":false}'
    desk.put_token(roles=["orders-reader"], audiences=["https://a", "https://b"])
    assert json.loads(desk.ask(desk.token, desk.basic).body)["aud"] == ["https://a", "https://b"]


def test_exp_is_the_earlier_of_end_and_age(desk: Desk) -> None:
    """It moves with time, while the rest of the answer is kept."""
    now = desk.clock.now()
    desk.put_token(credentials=[desk.credential(desk.token, minted=now)], expiresAfter="2m")
    found = []
    for _ in range(3):
        found.append(json.loads(desk.ask(desk.token, desk.basic).body)["exp"] - now)
        desk.clock.advance(30)
        desk.confirm()
    assert found == [60, 90, 120]


def test_exp_without_a_greatest_age_is_the_tokens_own() -> None:
    """And is left out for one that never ends."""
    desk = Desk(max_age=None)
    assert json.loads(desk.ask(desk.token, desk.basic).body)["exp"] == desk.clock.now() + 30 * DAY
    desk.put_token(expiresAfter="never")
    assert "exp" not in json.loads(desk.ask(desk.token, desk.basic).body)
    bounded = Desk()
    bounded.put_token(expiresAfter="never")
    assert json.loads(bounded.ask(bounded.token, bounded.basic).body)["exp"] == bounded.clock.now() + MAX_AGE


def test_callers_that_fail_too_often_are_throttled_and_invalid_tokens_are_no_failures(desk: Desk) -> None:
    """A service may be asked about junk all day long."""
    for _ in range(BURST + 10):
        assert desk.ask("svt_junk", desk.basic).status == 200
    for _ in range(BURST):
        assert desk.ask("x", basic("x", "x")).status == 401
    assert desk.ask("x", basic("x", "x")).status == 429
    assert desk.ask(desk.token, desk.basic).status == 200


def test_an_incomplete_index_gives_no_decision(desk: Desk) -> None:
    """503, which no client takes for a no."""
    desk.clock.advance(3600)
    reply = desk.ask(desk.token, desk.basic)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_metadata_names_the_endpoint_as_the_client_calls_us(desk: Desk, name: str) -> None:
    """RFC 8414: the issuer is what the client has asked; clients of OpenID Connect look at a place of their own."""
    target = f"/.well-known/{name}"
    reply = ask(desk.handler, ("Host", "tokens.example.com:8444"), target=target)
    said = json.loads(reply.body)
    assert said["issuer"] == "https://tokens.example.com:8444"
    assert said["introspection_endpoint"] == "https://tokens.example.com:8444/introspect"
    assert said["introspection_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
    ]
    assert ask(desk.handler, ("Host", 'x"y'), target=target).status == 400
    assert ask(desk.handler, ("Host", "x"), target=target, method="POST").status == 405
    assert ask(desk.handler, ("Host", "x"), target="/other").status == 404
