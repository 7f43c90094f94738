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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("revoke a --account ci", "use only one of NAME, --account, --selector or --id"),
        ("revoke", "no tokens are selected: use NAME"),
        ("tree ci", "use --account NAME for one account"),
        ("leaked setup.py tox.ini", "tar -cf - FILE... | kubectl servicetoken leaked"),
        ("get -o jsonpath={.items}", "`kubectl get svctok` prints with templates"),
        ("get -o custom-columns-file=x", "`kubectl get svctok` prints with templates"),
        ("create account a -o yaml", "-o is the output format of --dry-run"),
        (
            "create account a --dry-run=server",
            "--dry-run=server does not exist for `account`: Print the YAML",
        ),
        (
            "revoke a --dry-run=client",
            "--dry-run=client does not exist for `revoke`: Let the API server validate",
        ),
        ("get -w", "`kubectl get svctok` has -w."),
        ("get --watch", "`kubectl get svctok` has --watch."),
        ("get accounts --sort-by=.metadata.name", "`kubectl get svctok` has --sort-by."),
        ("report -o csv", "`--format` is the format, and `--output` the file."),
        ("report --output json", "`--format json` the format; a file of that name is ./json"),
        ("create -f x.yaml", "`kubectl apply -f` creates what is in a file."),
        ("create token -f x.yaml", "`kubectl apply -f` creates what is in a file."),
        ("rotate --all", "`-l`, `--account` or names select tokens."),
    ],
)
def test_what_is_typed_out_of_habit_is_answered_with_what_to_type(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    """Two ways of selecting, several files, a format of kubectl; the exit code is that of a wrong command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.py").touch()
    done = runner.invoke(command, words.split())
    assert done.exit_code == 2, done.output
    assert said in done.output


@pytest.mark.parametrize(
    "words", ["--dry-run", "--dry-run=client", "--dry-run=client -o yaml", "--dry-run=true"]
)
def test_yaml_is_printed_in_every_form_of_a_dry_run(runner: CliRunner, words: str) -> None:
    """As with kubectl."""
    done = runner.invoke(command, ["-n", "team-a", "create", "account", "ci", *words.split()])
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.output)["metadata"] == {"name": "ci", "namespace": "team-a"}


def test_control_characters_on_the_command_line_are_escaped(runner: CliRunner) -> None:
    """A copied line can have them in it."""
    done = runner.invoke(command, ["\x1b[31mgte"], color=True)
    assert done.exit_code == 2
    assert "\x1b[31m" not in done.output
    assert "\\x1b[31mgte" in done.output


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "there is nothing on stdin"), ("hunter2", "it does not begin with a prefix such as 'svt_'")],
)
def test_the_absence_of_a_token_on_stdin_is_reported(runner: CliRunner, typed: str, said: str) -> None:
    """Once, and without what was pasted, which may be a password."""
    done = runner.invoke(command, ["revoke", "-"], input=typed)
    assert done.exit_code == 1
    assert said in done.output
    assert "hunter2" not in done.output
    assert "not a token: not a token" not in done.output


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
