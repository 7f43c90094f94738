"""Mutants of kubeconfigs, exec plugins and certificates: what kubectl accepts, and what is rejected by name."""

from typing import Final

from mutants.mutant import Mutant

KUBECONFIG: Final = "kube/kubeconfig.py"
EXEC: Final = "kube/execplugin.py"
_FILES: Final = ("tests/unit/kube/test_kubeconfig_files.py",)
_EXEC: Final = ("tests/unit/kube/test_execplugin.py",)
_OVERRIDES: Final = ("tests/unit/kube/test_overrides.py",)

MUTANTS: Final = (
    Mutant(
        "takes an empty --context for the name of one",
        KUBECONFIG,
        "context or _current(files)",
        "context if context is not None else _current(files)",
        _FILES,
    ),
    Mutant(
        "takes a field that is null for one that is set",
        KUBECONFIG,
        "msgspec.convert(without_nulls(found.body), kind)",
        "msgspec.convert(found.body, kind)",
        _FILES,
    ),
    Mutant(
        "reads remarks around certificates as certificates",
        "kube/trust.py",
        "_BLOCK.findall(bundle)",
        "[bundle]",
        _FILES,
    ),
    Mutant(
        "waits for what an exec plugin has left in the background",
        EXEC,
        "asyncio.timeout(_DRAIN_SECONDS)",
        "asyncio.timeout(None)",
        _EXEC,
    ),
    Mutant(
        "repeats a token that was given where a name is expected",
        "cli/lazy.py",
        "_TOKEN.sub(",
        "re.compile('(^$)').sub(",
        ("tests/unit/cli/test_main.py",),
    ),
    Mutant(
        "takes a server that answers in HTML for one without tokens, or ends with a traceback",
        "cli/session.py",
        "except msgspec.MsgspecError as error:",
        "except ZeroDivisionError as error:",
        ("tests/unit/cli/test_session.py",),
    ),
    Mutant(
        "takes a write of the status for a change of the spec",
        "cli/views.py",
        'if not one.get("subresource") and',
        "if",
        ("tests/unit/cli/test_views.py",),
    ),
    Mutant(
        "leaves a person who waits for an operator that does not answer without advice",
        "cli/waiting.py",
        'advice = _ADVICE if missing.endswith(UNSEEN) else ""',
        'advice = ""',
        ("tests/unit/cli/test_waiting.py",),
    ),
    Mutant(
        "leaves the pipes of an exec plugin open",
        EXEC,
        "    transport.close()\n    await process.is_drained.wait()\n",
        "",
        _EXEC,
    ),
    Mutant(
        "sends the credentials of the kubeconfig without TLS",
        "kube/access.py",
        'if server.scheme == "https":\n',
        "if True:\n",
        _OVERRIDES,
    ),
    Mutant(
        "runs an exec plugin beside a client certificate",
        "kube/credentials.py",
        "if user.exec is not None and not certificate:",
        "if user.exec is not None:",
        _OVERRIDES,
    ),
    Mutant(
        "takes a name twice in one kubeconfig for the first of them",
        KUBECONFIG,
        "if name in here:",
        "if False:",
        _OVERRIDES,
    ),
    Mutant(
        "leaves the authority of the file when another is named",
        "kube/overrides.py",
        'entry.certificate_authority_data = ""',
        "pass",
        _OVERRIDES,
    ),
    Mutant(
        "expects the name in the file of another server",
        "kube/overrides.py",
        "if self.server or self.tls_server_name:",
        "if self.tls_server_name:",
        _OVERRIDES,
    ),
    Mutant(
        "uses the service account of the pod in spite of a flag that names a cluster",
        "kube/access.py",
        'if unused := overrides.given(but=("token",)):',
        "if unused := []:",
        _OVERRIDES,
    ),
    Mutant(
        "uses the account of the pod instead of a kubeconfig that is wrong",
        "kube/access.py",
        "        # What is wrong with it is said when it is used.\n        return False",
        "        # What is wrong with it is said when it is used.\n        return True",
        ("tests/unit/kube/test_access.py",),
    ),
    Mutant(
        "takes a kubeconfig without users for an empty one",
        KUBECONFIG,
        'fields = ("clusters", "users", "contexts", "current-context")',
        'fields = ("users",)',
        ("tests/unit/kube/test_access.py",),
    ),
    Mutant(
        "believes the Lease of an operator that was killed",
        "cli/leading.py",
        "if lease.resource_version != before.resource_version else",
        "if True else",
        ("tests/unit/cli/test_leading.py",),
    ),
    Mutant(
        "calls an operator dead whose clock is behind",
        "cli/leading.py",
        "idle = 0 if lease.resource_version",
        "idle = idle if lease.resource_version",
        ("tests/unit/cli/test_leading.py",),
    ),
    Mutant(
        "lets a question go on when Ctrl-C is pressed",
        "cli/changes.py",
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        "signal.getsignal(signal.SIGINT)",
        ("tests/unit/cli/test_changes.py",),
    ),
    Mutant(
        "calls a token valid whose value was not compared",
        "cli/verifying.py",
        "        if known.compared:\n",
        "        if True:\n",
        ("tests/property/test_explained.py",),
    ),
    Mutant(
        "quotes a password that was pasted instead of a token",
        "tokens/format.py",
        "if find_id(text, prefix) is None:",
        "if False:",
        ("tests/unit/tokens/test_format.py",),
    ),
    Mutant(
        "shows yes and no alike where the locale has no symbols",
        "cli/screen.py",
        "else text.translate(_PLAIN)",
        "else text",
        ("tests/unit/cli/test_screen.py",),
    ),
    Mutant(
        "takes a switch that is set to false for one that is on",
        "cli/spelling.py",
        "found += option.secondary_opts[:1]",
        "found.append(match[1])",
        ("tests/unit/cli/test_spelling.py",),
    ),
)
