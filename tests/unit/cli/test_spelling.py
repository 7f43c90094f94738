"""Options as people type them for kubectl, in the spelling of click."""

import click
import pytest

from servicetokens.cli.spelling import DryRun, as_click_reads

COMMAND = click.Command(
    "get",
    params=[
        click.Option(["-n", "--namespace"]),
        click.Option(["-o", "--output"]),
        click.Option(["-A", "--all-namespaces"], is_flag=True),
        click.Option(["--wait/--no-wait"], default=True),
        DryRun(["--dry-run"], words=("client",)),
    ],
)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("-o=json", "-o json"),
        ("-ojson -n x", "-ojson -n x"),
        ("-n=", "-n "),
        ("-n=a=b", "-n a=b"),
        ("--namespace=x", "--namespace=x"),
        ("-A=true", "-A"),
        ("-A=false x", "x"),
        ("--all-namespaces=T", "--all-namespaces"),
        ("--wait=false", "--no-wait"),
        ("--wait=true", "--wait"),
        ("--wait=maybe", "--wait=maybe"),
        ("--dry-run=client", "--dry-run"),
        ("--dry-run=true", "--dry-run"),
        ("--dry-run=none x", "x"),
        ("--dry-run=maybe", "--dry-run=maybe"),
        ("-x=1 --unknown=true", "-x=1 --unknown=true"),
        ("-- -o=json", "-- -o=json"),
    ],
)
def test_values_behind_an_equals_sign_are_read_as_with_kubectl(typed: str, read: str) -> None:
    """Of options with one letter and of switches; click rejects what it does not know."""
    assert as_click_reads(COMMAND, typed.split(" ")) == read.split(" ")


def test_a_dry_run_of_the_other_kind_is_answered_with_what_this_one_does() -> None:
    """A command here has one of the two that kubectl has, and says which."""
    with pytest.raises(click.UsageError) as caught:
        as_click_reads(COMMAND, ["--dry-run=server"])
    assert "--dry-run=server does not exist for `get`" in caught.value.message
