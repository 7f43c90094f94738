"""`create`: what is applied, what is only printed, and what is rejected before a cluster is asked."""

import re
import time

import pytest
import yaml

from common.drivers.plugin import Plugin
from common.drivers.validating import RunningValidator
from common.drivers.world import World, encode
from servicetokens.api.values import format_time


def test_an_account_and_a_token_are_created_and_the_token_works(
    plugin: Plugin, world: World, namespace: str, running: RunningValidator
) -> None:
    """With --show-token its value, and nothing else, is on stdout."""
    plugin.ok("create", "account", "web", "--role", "orders-reader", "--max-lifetime", "90d")
    value = plugin.ok(
        *("create", "token", "web-prod", "--account", "web", "--expires", "30d"),
        *("--rotate-every", "20d", "--overlap", "1d", "--cidr", "127.0.0.0/8", "--show-token"),
    )
    assert value.strip() == world.value(namespace, "web-prod")
    assert value.count("\n") == 1
    world.until(lambda: running.forward(value.strip()).status == 200, "the token to be accepted")
    spec = world.get(namespace, "web-prod")["spec"]
    assert spec == {
        "accountRef": {"name": "web"},
        "expiresAfter": "30d",
        "allowedCIDRs": ["127.0.0.0/8"],
        "rotation": {"every": "20d", "overlap": "1d"},
    }


def test_without_show_token_no_value_is_printed(plugin: Plugin, world: World, namespace: str) -> None:
    """Neither to stdout nor to stderr; where it is, is said."""
    done = plugin("create", "token", "quiet", "--account", "ci", "--expires", "never")
    assert done.code == 0
    assert world.value(namespace, "quiet") not in done.out + done.err
    assert "minted into the Secret 'quiet'" in done.err


def test_a_dry_run_prints_what_can_be_applied_and_needs_no_cluster(
    plugin: Plugin, world: World, namespace: str
) -> None:
    """The YAML has what was requested and no more; kubectl takes it as it is."""
    printed = plugin.ok(
        "create", "token", "planned", "--account", "ci", "--expires", "2030-01-31T00:00:00Z", "--dry-run"
    )
    assert yaml.safe_load(printed) == {
        "apiVersion": "servicetokens.dev/v1beta1",
        "kind": "ServiceToken",
        "metadata": {"name": "planned", "namespace": namespace},
        "spec": {"accountRef": {"name": "ci"}, "expirationTime": "2030-01-31T00:00:00Z"},
    }
    world.cluster.kubectl("apply", "-f", "-", input=printed)
    account = plugin.ok("create", "account", "later", "--display-name", "Later", "--dry-run")
    assert yaml.safe_load(account)["spec"] == {"displayName": "Later"}


def test_a_value_in_use_is_imported_alongside_the_token(
    plugin: Plugin, world: World, namespace: str, running: RunningValidator
) -> None:
    """Both flags belong together; `describe` tells the imported credential from the minted one."""
    value = "grafana-4fK9s2Lq8Zx1"
    world.create_secret(namespace, {"metadata": {"name": "old"}, "data": {"api-key": encode(value)}})
    until = format_time(int(time.time()) + 86400)
    asked = (
        "create",
        "token",
        "moved",
        "--account",
        "ci",
        "--expires",
        "30d",
        "--import-from",
        "old/api-key",
    )
    assert "spec.import.until: is required" in plugin(*asked, "--dry-run").err
    plugin.ok(*asked, "--import-until", until)
    world.until(lambda: running.forward(value).status == 200, "the imported value to be accepted")
    assert re.search(
        r"^Credential: +imp-\w+ \(imported\), expires in 1 day", plugin.ok("describe", "moved"), re.MULTILINE
    )
    # As long as an imported value is accepted anywhere, `verify` can call no foreign value invalid.
    world.delete("servicetokens", namespace, "moved")


def test_invalid_input_is_rejected_immediately_with_the_reason(plugin: Plugin) -> None:
    """With the path of the field, before anything is sent."""
    done = plugin(
        *(
            "create",
            "token",
            "bad",
            "--account",
            "ci",
            "--expires",
            "10d",
            "--rotate-every",
            "20d",
            "--dry-run",
        )
    )
    assert done.code == 2
    assert "spec.rotation.every: must be shorter than `expiresAfter`" in done.err


def test_a_role_that_the_account_has_not_ends_the_wait_with_the_reason(plugin: Plugin) -> None:
    """A dead end is not recovered from."""
    done = plugin(
        "create", "token", "greedy", "--account", "ci", "--expires", "1d", "--role", "orders-writer"
    )
    assert done.code == 1
    assert "the Secret of token 'greedy' is not written: " in done.err
    assert "orders-writer" in done.err


def test_a_missing_account_is_named_and_waited_for(plugin: Plugin) -> None:
    """Exit code 4: it was created, but is not ready."""
    done = plugin("create", "token", "early", "--account", "nobody", "--expires", "1d", "--timeout", "1")
    assert done.code == 4
    assert "'nobody'" in done.err


@pytest.mark.parametrize(
    ("expires", "said"),
    [
        ("2027-01-31", "as in 2027-01-31T00:00:00Z"),
        ("2027-01-31 12:00", "as in 2027-01-31T00:00:00Z"),
        ("soon", "neither a lifetime, as in 30d"),
        ("10s", "from 60s to 100y"),
    ],
)
def test_an_invalid_expiration_is_answered_with_both_valid_forms(
    plugin: Plugin, expires: str, said: str
) -> None:
    """A lifetime, or a moment with time and zone."""
    done = plugin("create", "token", "bad", "--account", "ci", "--expires", expires, "--dry-run")
    assert done.code == 2
    assert said in done.err


def test_a_name_in_use_is_reported_with_its_namespace(plugin: Plugin) -> None:
    """Of an account as of a token."""
    done = plugin("create", "account", "ci")
    assert done.code == 1
    assert f"account 'ci' already exists in namespace '{plugin.namespace}'" in done.err
