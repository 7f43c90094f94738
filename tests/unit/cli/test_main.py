"""The command line before anything is asked of a cluster: what is typed by mistake, and what is never repeated."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from servicetokens.cli.main import command
from servicetokens.tokens.format import assemble

TOKEN = assemble("svt", "0123456789AB", bytes(range(32))).reveal()
SECRET = TOKEN.rpartition("_")[2]


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    """Runs a command without any cluster."""
    return CliRunner(env={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})


@pytest.mark.parametrize("typed", [TOKEN, TOKEN[:-1], TOKEN[:-20]])
@pytest.mark.parametrize(
    "words",
    [
        "{}",
        "revoke {}",
        "revoke x/{}",
        "revoke --id {} --timeout x",
        "get {}",
        "describe {}",
        "verify {}",
        "leaked {}",
        "get --context {}",
        "get --{}",
        "get -o {}",
        "create token {} --account ci --expires 1d --dry-run",
        "create token a --account {} --expires 1d --dry-run",
        "create {}",
        "-n {} get",
        "verify --method G/{}",
        "verify --ask {}",
        "completion {}",
    ],
)
def test_a_token_on_the_command_line_is_not_repeated(runner: CliRunner, words: str, typed: str) -> None:
    """Where a name was expected: the public id may be shown, and nothing behind it."""
    done = runner.invoke(command, words.format(typed).split(), input="")
    assert done.exit_code in {1, 2}, done.output
    assert SECRET[:8] not in done.output
    assert SECRET[:8] not in str(done.exception)


def test_the_place_where_a_token_is_read_is_reported(runner: CliRunner) -> None:
    """To anyone who gives it as an argument."""
    assert "`kubectl servicetoken revoke -`" in runner.invoke(command, ["revoke", TOKEN]).output
    assert "the token is read from stdin" in runner.invoke(command, ["verify", TOKEN]).output


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *(
            ("gte", "`get`"),
            ("list", "`get`"),
            ("LIST", "`get`"),
            ("delete", "`revoke`"),
            ("status", "`doctor`"),
        ),
        *(("ver", "`verify` or `version`"), ("comp", "`completion`"), ("creat", "`create`")),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_what_is_meant(
    runner: CliRunner, word: str, meant: str
) -> None:
    """What sounds like it, what it is the beginning of, and what other programs call it."""
    done = runner.invoke(command, [word])
    assert done.exit_code == 2
    assert f"There is no command '{word}'. Did you mean {meant}?" in done.output


def test_a_directory_to_search_is_answered_with_the_command_that_searches_it(
    runner: CliRunner, tmp_path: Path
) -> None:
    """Who has a leak looks through a whole repository first."""
    folder = tmp_path / "my repository"
    folder.mkdir()
    done = runner.invoke(command, ["leaked", str(folder)])
    assert done.exit_code == 2
    assert f"tar -cf - '{folder}' | kubectl servicetoken leaked" in done.output


@pytest.mark.parametrize("kind", ["token", "servicetoken", "svctok", "servicetokens.servicetokens.dev"])
def test_types_and_names_are_taken_in_every_form_when_something_is_created(
    runner: CliRunner, kind: str
) -> None:
    """The options of the place may stand before the command."""
    words = [
        "-n",
        "team-a",
        "create",
        kind,
        f"{kind}/nightly",
        "--account",
        "ci",
        "--expires",
        "1d",
        "--dry-run",
    ]
    done = runner.invoke(command, words)
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.output)["metadata"] == {"name": "nightly", "namespace": "team-a"}


def test_a_missing_type_is_reported(runner: CliRunner) -> None:
    """`create NAME` is what people type first."""
    done = runner.invoke(command, ["create", "nightly", "--account", "ci"])
    assert done.exit_code == 2
    assert "'nightly' is not a type: use `create token NAME` or `create account NAME`" in done.output


@pytest.mark.parametrize(("name", "namespace"), [("Nightly", "team-a"), ("a b", "team-a"), ("a", "Team_A")])
def test_yaml_that_the_api_server_would_reject_is_not_printed(
    runner: CliRunner, name: str, namespace: str
) -> None:
    """Also for the names of the object and of its namespace."""
    done = runner.invoke(command, ["create", "account", name, "-n", namespace, "--dry-run"])
    assert done.exit_code == 2
    assert "names consist of lower-case letters" in done.output
