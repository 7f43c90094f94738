"""The plugin as a program: how it is found, helped with, completed, coloured and asked."""

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from common.drivers.plugin import PROGRAMS, Plugin
from common.drivers.validating import RunningValidator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.ports import LOOPBACK, free_ports
from controlplane.waiting import patient

COMMANDS = sorted(
    [
        *("get", "describe", "tree", "create", "revoke", "restore", "rotate"),
        *("verify", "leaked", "report", "whoami", "doctor", "keys", "version", "completion"),
    ]
)


def test_kubectl_finds_it(plugin: Plugin) -> None:
    """As a plugin, under its name; and the operator's own program has it, too."""
    assert "kubectl-servicetoken" in plugin.run("plugin", "list").out
    for command in (["kubectl-servicetoken"], ["servicetokens", "kubectl"]):
        done = subprocess.run(
            [PROGRAMS / command[0], *command[1:], "--help"], capture_output=True, text=True, check=True
        )
        listed = re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE)
        assert sorted(listed) == COMMANDS


def test_help_loads_no_http_client_and_no_model() -> None:
    """That is what makes it quick; the seconds are measured by `make bench`, not here."""
    code = "import sys; import servicetokens.cli.main; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [PROGRAMS / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"aiohttp", "yaml", "pydantic", "cryptography", "kopf"} & set(loaded) == set()


def test_a_listing_loads_only_what_it_needs() -> None:
    """What makes other commands slow stays out: HTTP libraries, schemas, certificates; in a pod even YAML."""
    code = "import sys; import servicetokens.cli.get; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [PROGRAMS / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    slow = {
        "aiohttp",
        "attr",
        "email",
        "yaml",
        "pydantic",
        "cryptography",
        "kopf",
        "structlog",
        "prometheus_client",
    }
    assert slow & set(loaded) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(plugin: Plugin, command: str) -> None:
    """Both spellings of the option."""
    done = plugin.run("servicetoken", command, "-h")
    assert done.code == 0
    assert done.out.startswith(f"Usage: kubectl servicetoken {command}")
    assert plugin.run("servicetoken", command, "--help").out == done.out


def test_every_command_and_exit_code_is_in_the_documentation() -> None:
    """docs/guides/kubectl.md names them all."""
    page = (ROOT / "docs" / "guides" / "kubectl.md").read_text()
    assert [one for one in COMMANDS if f"`{one}" not in page] == []
    assert [code for code in range(5) if f"| {code} |" not in page] == []


def test_the_smoke_test_says_why_a_validator_does_not_answer(
    world: World, namespace: str, running: RunningValidator, tmp_path: Path
) -> None:
    """In words: no name of a Python class, and no number of an error alone."""
    url = f"http://{LOOPBACK}:{free_ports(1)[0]}/validate"
    done = subprocess.run(
        [
            *(PROGRAMS / "servicetokens", "smoke-test", f"--kubeconfig={world.cluster.kubeconfig}"),
            *(f"--namespace={namespace}", f"--ask={url}", f"--timeout={patient(15)}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done
    assert "minted into the Secret" in done.stdout
    assert f"no answer from {url}: Connection refused" in done.stderr
    assert "Error" not in done.stderr


def test_words_are_completed(plugin: Plugin, token: str) -> None:
    """Commands, options, and the names of objects in the namespace; kubectl asks a program of its own for it."""

    def completed(*words: str) -> list[str]:
        done = subprocess.run(
            [PROGRAMS / "kubectl_complete-servicetoken", *words],
            capture_output=True,
            text=True,
            check=True,
            env=plugin.environment,
        )
        *found, directive = done.stdout.splitlines()
        assert directive == ":4"
        return [line.split("\t")[0] for line in found]

    assert completed("rev") == ["revoke"]
    assert "--reason" in completed("revoke", "--re")
    assert completed("revoke", "-n", plugin.namespace, "ci") == ["ci-prod"]
    assert completed("describe", "-n", plugin.namespace, "--kubeconfig", "/nowhere", "ci") == []
    through = plugin.run("__complete", "servicetoken", "rev").out
    assert "revoke" in through


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(plugin: Plugin, shell: str) -> None:
    """For those who call it without kubectl."""
    assert "_KUBECTL_SERVICETOKEN_COMPLETE" in plugin.run("servicetoken", "completion", shell).out


def test_the_context_of_the_kubeconfig_says_the_namespace(
    plugin: Plugin, namespace: str, token: str, tmp_path: Path
) -> None:
    """As with kubectl; --context takes another, also out of several files, and a wrong one is named."""
    config = tmp_path / "config"
    config.write_bytes(plugin.cluster.kubeconfig.read_bytes())
    mine = Plugin(plugin.cluster, plugin.binaries, namespace, config)
    context = mine.run("config", "current-context").out.strip()
    mine.run("config", "set-context", context, f"--namespace={namespace}")
    assert "ci-prod" in mine.run("servicetoken", "get").out
    cluster, user = (
        mine.run("config", "view", "-o", f"jsonpath={{.contexts[0].context.{one}}}").out
        for one in ("cluster", "user")
    )
    mine.run(
        "config", "set-context", "other", f"--cluster={cluster}", f"--user={user}", "--namespace=kube-system"
    )
    assert "in namespace 'kube-system'" in mine.run("servicetoken", "get", "--context", "other").err
    several = Plugin(plugin.cluster, plugin.binaries, namespace, Path(f"{tmp_path}/missing:{config}"))
    assert "ci-prod" in several.run("servicetoken", "get").out
    wrong = mine.run("servicetoken", "get", "--context", "nope")
    assert wrong.code == 1
    assert "there is no context 'nope'" in wrong.err


def test_it_impersonates_the_user_of_the_kubeconfig_or_of_an_option(
    plugin: Plugin, namespace: str, token: str, tmp_path: Path
) -> None:
    """An administrator who impersonates a user without permissions is rejected, as with kubectl."""
    refused = plugin("get", "--as", "alice", "--as-group", "team-a")
    assert refused.code == 1
    assert 'User "alice" cannot list resource "servicetokens"' in refused.err
    who = json.loads(
        plugin.ok("whoami", "-o", "json", "--as", "alice", "--as-group", "team-a", "--as-uid", "7")
    )
    assert (who["username"], who["uid"]) == ("alice", "7")
    assert "team-a" in who["groups"]
    config = json.loads(plugin.cluster.kubeconfig.read_text())
    config["users"][0]["user"] |= {"as": "alice", "as-groups": ["team-a"]}
    file = tmp_path / "config"
    file.write_text(json.dumps(config))
    alice = Plugin(plugin.cluster, plugin.binaries, namespace, file)
    kubectl = alice.run("auth", "can-i", "list", "servicetokens.servicetokens.dev", "-n", namespace).out
    assert kubectl.strip() == "no"
    assert 'User "alice"' in alice("get").err
    assert "alice" in alice.ok("whoami")


def test_words_that_do_not_exist_are_answered_with_similar_ones(
    plugin: Plugin, namespace: str, token: str
) -> None:
    """Commands and names; the namespace is named, too."""
    wrong = plugin("revok")
    assert wrong.code == 2
    assert "There is no command 'revok'. Did you mean `revoke`?" in wrong.err
    for word, meant in (
        ("gte", "`get`"),
        ("list", "`get`"),
        ("delete", "`revoke`"),
        ("ver", "`verify` or `version`"),
    ):
        assert f"Did you mean {meant}?" in plugin(word).err
    for command in ("describe", "get", "revoke", "rotate"):
        missing = plugin(command, "ci-pord")
        assert missing.code == 1, missing
        assert (
            f"there is no token 'ci-pord' in namespace '{namespace}'; did you mean 'ci-prod'?" in missing.err
        )


def test_options_may_stand_before_the_command(plugin: Plugin, namespace: str, token: str) -> None:
    """As with kubectl; those behind it win, and one that the command does not know is rejected."""
    before = plugin.run("servicetoken", "-n", namespace, "get", "-o", "name")
    assert before.out.strip() == "servicetoken.servicetokens.dev/ci-prod", before
    again = plugin.run("servicetoken", "-n", "nowhere", "get", "-n", namespace, "-o", "name")
    assert again.out == before.out
    everywhere = plugin.run("servicetoken", "-A", "get")
    assert everywhere.out.startswith("NAMESPACE")
    who = plugin.run("servicetoken", "--as", "alice", "whoami")
    assert "alice" in who.out
    refused = plugin.run("servicetoken", "-A", "describe", "ci-prod")
    assert refused.code == 2
    assert "it does not take -A" in refused.err


def test_names_are_taken_in_every_form_that_kubectl_prints(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Also those of our own `-o name`, several together, and with accounts."""
    printed = plugin.run("get", "svctok", "-o", "name", "-n", namespace).out.strip()
    assert plugin.ok("get", "-o", "name").strip() == printed
    for name in (printed, "svctok/ci-prod", "servicetokens.servicetokens.dev/ci-prod", "ci-prod"):
        assert "ci-prod" in plugin.ok("get", name)
        assert "ci-prod" in plugin.ok("describe", name)
    assert "ci-prod" in plugin.ok("get", "--account", "svcacct/ci")
    world.token(namespace, "second")
    world.until_ready(namespace, "second")
    listed = plugin.ok("get", "second", printed, "-o", "name").split()
    assert [one.rpartition("/")[2] for one in listed] == ["second", "ci-prod"]
    told = plugin.ok("describe", "svctok/second", "ci-prod")
    assert told.index("/second") < told.index("/ci-prod")
    plugin.ok("revoke", printed, "svctok/second", "--yes")
    assert {world.get(namespace, one)["spec"]["state"] for one in ("ci-prod", "second")} == {"Revoked"}
    wrong = plugin("revoke", "svcacct/ci")
    assert wrong.code == 2
    assert "is a ServiceAccount; this command needs a ServiceToken" in wrong.err


def test_versions(plugin: Plugin) -> None:
    """Of the plugin without a cluster; of what is installed, where one may see it."""
    shown = plugin.ok("version")
    assert re.search(r"^Client +\d+\.\d+", shown, re.MULTILINE)
    assert re.search(r"^API server +v1\.", shown, re.MULTILINE)
    assert re.search(r"^Installed CRDs +schema revision \d", shown, re.MULTILINE)
    offline = plugin.run("servicetoken", "version", "--client", "--kubeconfig", "/nowhere")
    assert offline.code == 0
    assert "API server" not in offline.out
    unreachable = plugin.run("servicetoken", "version", "-o", "json", "--kubeconfig", "/nowhere")
    assert unreachable.code == 1
    assert "client" in json.loads(unreachable.out)
    known = json.loads(plugin.ok("version", "-o", "json"))
    assert known["installedSchemaRevision"] == known["schemaRevision"]
    assert "installedSchemaProblem" not in known


def test_the_report_is_a_command_of_the_plugin(
    plugin: Plugin, namespace: str, token: str, tmp_path: Path
) -> None:
    """It says what it wrote; a file that cannot be written is a sentence."""
    page = tmp_path / "page.html"
    done = plugin("report", "--output", str(page))
    assert done.code == 0, done
    assert done.err == f"wrote {page}: 1 account, 1 token\n"
    assert namespace in page.read_text()
    assert "<html" in plugin.ok("report")
    wrong = plugin("report", "--output", str(tmp_path / "none" / "page.html"))
    assert wrong.code == 1
    assert wrong.err == f"error: cannot write {tmp_path}/none/page.html: No such file or directory\n"


def test_a_narrow_terminal_shows_whole_names(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Names of objects are for copying: at 80 columns, too."""
    name = "ci-staging-with-a-name-that-needs-some-room"
    world.token(namespace, name)
    world.until_ready(namespace, name)
    shown = on_terminal(plugin, "get", COLUMNS="80", NO_COLOR="1")
    assert re.search(rf"^{name} +ci +Active +in 30 days +no +", shown, re.MULTILINE)
    assert re.search(r"LAST USED +AGE\r", shown)


def test_a_cluster_that_cannot_be_reached(plugin: Plugin, tmp_path: Path) -> None:
    """One line, exit code 1."""
    done = plugin.run("servicetoken", "get", "--kubeconfig", str(tmp_path / "none"))
    assert done.code == 1
    assert "error: the kubeconfig" in done.err
    assert "Traceback" not in done.err


def test_on_a_terminal_there_are_colours_and_questions(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Without $NO_COLOR; a question that is answered with no changes nothing."""
    world.token(namespace, "second")
    world.until_ready(namespace, "second")
    assert "\x1b[" in on_terminal(plugin, "get")
    assert "\x1b[3" not in on_terminal(plugin, "get", NO_COLOR="1")
    asked = on_terminal(plugin, "revoke", "--account", "ci", answer="n\n")
    assert "Revoke 2 tokens" in asked
    assert "state" not in world.get(namespace)["spec"]
    shown = on_terminal(plugin, "revoke", "--account", "ci", "--wait", answer="y\n")
    assert re.search(r"[012]/2", shown), "no progress was shown"
    assert world.get(namespace, "second")["spec"]["state"] == "Revoked"


def on_terminal(plugin: Plugin, *arguments: str, answer: str = "", **environment: str) -> str:
    """Run a command with a terminal before it, type *answer*, and return everything that it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [plugin.binaries / "kubectl", "servicetoken", *arguments, "-n", plugin.namespace],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plugin.environment, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    shown, typed = b"", False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the other side has closed it
                break
            if not read:
                break
            shown += read
        if answer and not typed and b"[y/N]" in shown:
            os.write(ours, answer.encode())
            typed = True
    process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("get ''", 2, "a name is empty"),
        ("describe ''", 2, "a name is empty"),
        ("restore '' --yes", 2, "a name is empty"),
        ("revoke --selector '' --yes", 2, "--selector is empty"),
        ("rotate --id '' --yes", 2, "--id is empty"),
        ("--help >/dev/full", 1, "the output could not be written: No space left on device"),
        ("--help >&-", 0, ""),
        ("verify --offline <&-", 3, ""),
        ("get --help | true", 0, ""),
    ],
)
def test_an_unset_variable_or_a_closed_stream_gives_a_message(
    plugin: Plugin, token: str, arguments: str, code: int, said: str
) -> None:
    """An empty name or selector chooses nothing, least of all everything; no traceback."""
    done = in_shell(plugin, arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done
    assert said in done.stderr


def test_letters_that_the_output_does_not_know_are_replaced(plugin: Plugin, token: str) -> None:
    """As in a log of ASCII."""
    done = in_shell(plugin, "verify --offline </dev/null", PYTHONIOENCODING="ascii")
    assert done.returncode == 3
    assert "not valid" in done.stdout
    assert "Traceback" not in done.stderr


def in_shell(plugin: Plugin, arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the plugin with *arguments* as a shell reads them."""
    return subprocess.run(
        ["/bin/bash", "-c", f"{PROGRAMS / 'kubectl-servicetoken'} {arguments}"],
        env={**plugin.environment, **environment},
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
