"""`leaked`: tokens in any text, their owners, and their end."""

import base64
import gzip
import random
import re
import subprocess
from pathlib import Path

from common.drivers.plugin import STRANGER, Done, Plugin
from common.drivers.validating import RunningValidator
from common.drivers.world import World
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient


def test_every_token_in_a_text_is_found_and_its_owner_named(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """In plain text and in the base64 of a Secret; once, with its lines; and it is not printed."""
    coded = base64.b64encode(f"Bearer {token}".encode()).decode()
    text = f"GET /orders\nAuthorization: Bearer {token}\n\n  authorization: {coded}\n"
    done = plugin("leaked", stdin=text)
    assert done.code == 3
    (row,) = [line.split() for line in done.out.splitlines()[1:]]
    assert row == [
        "2,",
        "4",
        f"svt_{world.status(namespace)['tokenID']}_…",
        f"{namespace}/ci-prod,",
        "account",
        "ci",
        "Active",
    ]
    assert "1 of 1 may still be accepted; use --revoke, or --rotate" in done.err
    assert token not in done.out + done.err


def test_a_leaked_token_is_revoked_on_request(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """For KeyCompromise, and rejected when the command returns; afterwards the text is harmless."""
    assert plugin("leaked", "--revoke", stdin=token).code == 2
    done = plugin("leaked", "--revoke", "--yes", stdin=token)
    assert done.code == 0, done
    assert running.forward(token).status == 401
    assert world.get(namespace)["spec"]["revocationReason"] == "KeyCompromise"
    again = plugin("leaked", stdin=token)
    assert again.code == 0
    assert again.out.splitlines()[1].endswith("Revoked")


def test_a_leaked_token_is_replaced_without_overlap(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """Workloads find the new one in the Secret; the old one is dead."""
    done = plugin("leaked", "--rotate", "--yes", stdin=f"token={token}")
    assert done.code == 0, done
    fresh = world.value(namespace)
    assert fresh != token
    world.until(lambda: running.forward(fresh).status == 200, "the new one to be accepted")
    world.until(lambda: running.forward(token).status == 401, "the old one to be refused")
    again = plugin("leaked", stdin=f"token={token}")
    assert again.code == 0, again
    assert again.out.splitlines()[1].endswith("no token here   Ended")
    assert "was rotated out or deleted, or belongs to another cluster" in again.err
    assert again.err.endswith("It is not accepted in this cluster.\n")
    asked = plugin(
        "leaked", "--ask", f"http://{LOOPBACK}:{running.forward_port}/validate", stdin=f"token={token}"
    )
    assert (asked.code, asked.err.splitlines()[-1]) == (0, "It is no longer accepted.")


def test_an_id_that_no_token_has_is_named_so_and_asked_about(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """Nothing here accepts it; a validator of another cluster may, and is asked on request."""
    done = plugin("leaked", stdin=STRANGER)
    assert done.code == 0, done
    assert "no token here" in done.out
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    assert plugin("leaked", "--ask", url, stdin=STRANGER).code == 0
    accepted = plugin("leaked", "--ask", url, stdin=f"{STRANGER} {token}")
    assert accepted.code == 3
    assert "1 of 2 may still be accepted" in accepted.err
    assert re.search(r"ci-prod, account ci +Accepted$", accepted.out, re.MULTILINE)
    wrong = plugin("leaked", "--ask", "127.0.0.1/validate", stdin=STRANGER)
    assert wrong.code == 2
    assert "is not a whole URL" in wrong.err


def test_where_not_all_tokens_may_be_seen_an_unknown_id_is_no_all_clear(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """It may be of a namespace that was not searched."""
    world.cluster.kubectl(
        *("create", "role", "seeker", "-n", namespace, "--verb=get,list"),
        "--resource=servicetokens.servicetokens.dev",
    )
    world.cluster.kubectl(
        "create", "rolebinding", "seeker", "-n", namespace, "--role=seeker", "--user=seeker"
    )
    seeker = Plugin(plugin.cluster, plugin.binaries, namespace, world.cluster.user("seeker", ()))
    done = seeker("leaked", stdin=STRANGER)
    assert done.code == 3
    assert "no token that you have permission to read" in done.out


def test_what_was_found_is_printed_with_stderr_closed_or_the_cluster_away(
    plugin: Plugin, namespace: str, token: str, tmp_path: Path
) -> None:
    """A user closes stderr because of the progress on it; and a leak is one, whether or not its owner is known."""
    file = tmp_path / "app.log"
    file.write_text(f"the log\nBearer {token}\n")
    away = tmp_path / "kubeconfig"
    text, changed = re.subn(r"(https://[^:/]+):\d+", r"\1:1", plugin.cluster.kubeconfig.read_text())
    assert changed
    away.write_text(text)

    def leaked(closed: str, kubeconfig: Path | None = None) -> Done:
        command = f'exec kubectl-servicetoken leaked -n "$0" "$1" {closed}'
        done = subprocess.run(
            ["/bin/sh", "-c", command, namespace, str(file)],
            capture_output=True,
            text=True,
            check=False,
            env={**plugin.environment, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})},
            timeout=patient(100),
        )
        return Done(done.returncode, done.stdout, done.stderr)

    closed = leaked("2>&-")
    assert (closed.code, closed.out) == (3, leaked("").out)
    assert f"{namespace}/ci-prod" in closed.out
    unasked = leaked("2>&-", away)
    assert unasked.code == 1
    assert re.fullmatch(r"2: svt_[0-9A-Za-z]{12}_…, not looked up in the cluster\n", unasked.out)
    assert token not in unasked.out + closed.out


def test_a_text_without_tokens(plugin: Plugin) -> None:
    """Look-alikes with a wrong checksum are not reported; the two ways to end one exclude each other."""
    done = plugin(
        "leaked",
        stdin="svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGR and svt_0123456789AB_…",
    )
    assert (done.code, done.out.strip()) == (0, "no token found")
    assert plugin("leaked", "--revoke", "--rotate", stdin="").code == 2


def test_a_token_in_wrapped_base64_of_a_compressed_log_is_found(
    plugin: Plugin, namespace: str, token: str
) -> None:
    """As a user pastes an attachment; the plain text is nowhere."""
    packed = base64.encodebytes(gzip.compress(f"Authorization: Bearer {token}\n".encode())).decode()
    done = plugin("leaked", stdin=f"the log:\n{packed}")
    assert done.code == 3
    assert f"{namespace}/ci-prod" in done.out
    assert token not in done.out + done.err


def test_data_that_cannot_be_read_is_no_clean_bill(plugin: Plugin) -> None:
    """It is named, with foreign names escaped, and the exit code is that of a leak."""
    packed = base64.b64encode(gzip.compress(random.Random(1).randbytes(1000).hex().encode())[:-12]).decode()
    done = plugin("leaked", stdin=packed)
    assert (done.code, done.out.strip()) == (3, "no token found in what could be read")
    assert "warning: could not be read: gzip data that ends too early" in done.err
    assert "1 part of the data could not be read" in done.err
