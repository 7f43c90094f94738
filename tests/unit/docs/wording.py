"""Words that make readers stop, what to write instead, and where the product's texts are."""

import ast
import importlib.util
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from common.repository import ROOT
from pages import commands, metrics
from servicetokens.api.reasons import Reason
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS

# Each is a regular expression for whole words, in any case.
INSTEAD: Final = {
    # Who does it.
    r"nobody|somebody|anybody|everybody|someone else|no one": "you, they, or the role of the person",
    r"whoever|whomever|whom|whosoever|whose it is|whose they are": "the client that ..., the owner",
    r"he|she|him|his|hers|himself|herself|oneself|one's": "they, or the role of the person",
    r"strangers?|guests?|folks?": "an attacker, a client",
    # Old connectives and adverbs.
    r"shall|ought|must needs": "must, should",
    r"by itself|by themselves|of itself|of themselves|of its own accord": "automatically",
    r"at once|forthwith|straightaway": "immediately, at the same time",
    r"for ever|evermore|for good": "never expires, permanently",
    r"anew|afresh": "again",
    r"lest|albeit|whilst|amongst|amidst|betwixt|unto|ere|upon|nigh": "so that, although, while, among, on",
    r"thence|hence|whence|henceforth|hitherto|heretofore|yonder": "from there, therefore, so far",
    r"thereby|thereof|therein|thereupon|thereto|whereupon|wherein|whereof|whereby": "name the thing",
    r"herein|hereby|hereto|hereof": "name the thing",
    r"likewise|moreover|nought|naught|aught|nay|verily|alas": "also, nothing",
    r"in so many words|without a word|all the same|as ever|as of old|in vain": "plainly",
    r"beside|besides": "alongside, in addition",
    r"save for|but for|and the like|as it were|so to speak": "except, such as",
    r"has not the|have not the|has not a|have not a|has not got": "does not have",
    r"the very (?:same|first|last|one)|this very": "the same",
    r"by the clock": "automatically, at an interval",
    r"a good deal|a great many|a great deal|no sooner": "many, much",
    r"still less|let alone|none the less|nonetheless": "two sentences",
    r"in the clear": "without TLS",
    r"by (?:TLS|HTTP|HTTPS|gRPC)": "over TLS, HTTP, gRPC",
    # What is done.
    r"(?:take|takes|took|taken|taking) (?:it |them |that |a \w+ )?away": "remove",
    r"(?:take|takes|took|taken|taking) (?:it |them |a \w+ )?back": "revoke, undo",
    r"(?:bring|brings|brought|bringing) (?:it |them )?back": "restore",
    r"(?:put|puts|putting) (?:it |them |that )?(?:back|right)": "restore, repair",
    r"(?:give|gives|gave|given) (?:it |them )?back": "return",
    r"refuse|refuses|refused|refusing|refusal|refusals": "reject, rejection",
    r"judge|judges|judged|judging|judgement": "check, decide",
    r"vouch|vouches|vouched|bear witness": "confirm",
    r"lets? in|allowed in|speaks? for|spoken for": "accept, authenticate as",
    r"left alone|leaves? (?:it |them )?alone": "does not change",
    r"(?:is|are|was|were|be|been) told": "receives, reports",
    r"tells? (?:nobody|apart|of)|cannot tell": "report, distinguish, is unknown",
    r"has said|have said|had said|has got|have got": "reported, received",
    r"as asked for|is asked for|was asked for": "as requested",
    r"stands? (?:beside|by|against)|in the way of": "is combined with, is a standby, prevents",
    r"waits? out|waited out|sits? out": "recovers from",
    r"hangs? on (?:it|them|each)": "depends on",
    r"(?:is|are|was|were|be) gone|what is gone": "does not exist, was deleted",
    r"(?:is|are|was|were) not there": "does not exist",
    r"in force": "is enforced, applies",
    r"(?:time|moment|moments|date|Time`) has come": "has passed, is due",
    r"goes its way|comes to nothing|comes? of it|makes? do": "say what happens",
    r"will be tried again|is tried again": "retrying",
    r"asks? nobody|knows? no \w+|says? nothing": "does not need, has no",
    r"(?:you|they|operator|validator|account|user) may not (?:list|read|see|write|use|import|get)": "lack permission",
    # What it is.
    r"verdicts?": "decision, result",
    r"least rights|a right is|the rights? to|your rights|own rights": "permission",
    r"end is near|no end|without an end|the end of a token": "expiration",
    r"deaf|ears|dead (?:validator|token|process)|is alive|are alive|is silent|are silent|been silent": "stale, exited",
    r"the life of its|lives of|their lives|its life|short life": "lifetime",
    r"no good|good tokens?|token is good|are good": "valid, invalid",
    r"small letters|in capitals": "lower case, upper case",
    r"riddles?|aphorisms?": "state it",
    r"a defect in": "bug, internal error",
    r"ran ahead|runs ahead": "is fast",
    r"planted": "forged",
    r"made up of": "consists of",
    r"does the (?:process|operator|validator) turn|the process turns": "is responsive",
    r"(?:it|they) (?:is|are) none": "name the thing",
}
# Words that no module, class or function has in its name, and the term that it has instead.
IN_NAMES: Final = {
    "verdict|verdicts|judge|judges|judging|judgement": "decision, check, evaluate",
    "refuse|refuses|refused|refusing|refusal|refusals": "reject, rejection",
    "gate": "authorizer",
    "tally|tallies|happening|happenings": "counts, metrics, entry",
    "trouble|troubles": "problem",
    "followers|estate|sight|arena|contest|contestant": "name what it consists of",
    "wakeup|bell": "handlers, signal",
    "doubt|doubted": "invalidate",
    "burn|bury": "name what is done",
}
# Names of the product, of programs and of standards.
ALLOWED: Final = (r"connection refused",)
_WORDS: Final = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)


def odd_names(folder: Path) -> Iterator[str]:
    """Give the names of modules, classes and functions below *folder* that have a word of `IN_NAMES`."""
    words = re.compile("|".join(IN_NAMES))
    for path in sorted(folder.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text()))
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for name in (path.stem, *(node.name for node in nodes if isinstance(node, kinds))):
            parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
            if any(words.fullmatch(part.lower()) for part in parts):
                yield f"{path.name}: {name}"


def odd(text: str) -> list[str]:
    """Return the words in *text* that readers do not expect; code in backticks and variables do not count."""
    for phrase in ALLOWED:
        text = re.sub(phrase, "", text, flags=re.IGNORECASE)
    without_code = " ".join(re.sub(r"`[^`]*`|\$[A-Z_]+", "`", text).split())
    return sorted({match[0].lower() for match in _WORDS.finditer(without_code)})


def product_texts() -> Iterator[tuple[str, str]]:
    """Give every text of the product that its users read outside of pages, with where it is.

    Comments count where users copy or apply the file: `config/`, the configurations of proxies, and `examples/`.
    """
    for path, text in commands.pages().items():
        yield path.stem, text
    for metric in (*metrics.of_operator(), *metrics.of_validator()):
        yield metric.name, metric.help
    for kind in KINDS:
        crd = custom_resource_definition(kind)
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        yield from _values(schema, kind.kind, {"description", "message"})
    chart = ROOT / "charts" / "servicetokens"
    alerts = yaml.safe_load((chart / "files" / "alerts.yaml").read_text())
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert", ""), " ".join(rule.get("annotations", {}).values())
    yield "NOTES.txt", (chart / "templates" / "NOTES.txt").read_text()
    yield from _rejections(chart / "templates")
    yield "values.yaml", "\n".join(re.findall(r"# (.*)", (chart / "values.yaml").read_text()))
    for dashboard in sorted(chart.glob("files/*.json")):
        yield from _values(json.loads(dashboard.read_text()), dashboard.name, {"title", "description"})
    openapi = yaml.safe_load((ROOT / "docs" / "reference" / "openapi.yaml").read_text())
    yield from _values(openapi, "openapi.yaml", {"description", "summary"})
    for policies in sorted((ROOT / "config" / "policies").glob("*.yaml")):
        for number, policy in enumerate(yaml.safe_load_all(policies.read_text())):
            yield from _values(policy, f"{policies.name}[{number}]", {"message", "messageExpression"})
    for template in sorted((ROOT / ".github").glob("**/*.yml")):
        yield template.name, template.read_text()
    yield from _comments()
    yield from literals(ROOT / "operator" / "servicetokens")
    yield from literals(_folder_of("demo"))
    yield from _reasons()


def _reasons() -> Iterator[tuple[str, str]]:
    """Give the reasons of conditions and rejections, which are one word for programs and several for people."""
    for reason in Reason:
        yield f"reason {reason}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", reason)


def _rejections(templates: Path) -> Iterator[tuple[str, str]]:
    """Give the sentences by which the chart rejects values."""
    for template in sorted(templates.glob("*.*")):
        said = re.findall(r'(?:fail|fail \(printf|"says") "([^"]*)"', template.read_text())
        yield template.name, "\n".join(said)


def _comments() -> Iterator[tuple[str, str]]:
    for pattern in ("config/**/*.yaml", "docs/guides/proxies/*/*", "examples/*"):
        for path in filter(Path.is_file, sorted(ROOT.glob(pattern))):
            yield path.name, "\n".join(re.findall(r"(?:#|--) (.*)", path.read_text()))
    yield "Makefile", "\n".join(re.findall(r"## (.*)", (ROOT / "Makefile").read_text()))


def literals(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the strings in Python files that are phrases: messages, conditions, log events, help; no docstrings."""
    for path in sorted(folder.glob("**/*.py")):
        tree = ast.parse(path.read_text())
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                shown = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                text = "".join(map(str, shown))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = "" if id(node) in documentation or id(node) in parts else node.value
            else:
                continue
            if len(text.split()) > 1:
                yield f"{path.name}:{node.lineno}", text


def comments(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the docstrings and comments of Python files, which maintainers read, without names of arguments."""
    for path in sorted(folder.glob("**/*.py")):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield f"{path.name}:{node.lineno}", _without_names(str(node.value.value))
        lines = io.StringIO(source).readline
        remarks = [token for token in tokenize.generate_tokens(lines) if token.type == tokenize.COMMENT]
        for line, text in _blocks(remarks):
            yield f"{path.name}:{line}", _without_names(text)


def _without_names(text: str) -> str:
    """Leave out *names* between asterisks, and those that begin a line of a list of arguments."""
    return re.sub(r"\*\w+\*|^ +\w+(?:, \w+)*: ", "", text, flags=re.MULTILINE)


def _blocks(remarks: list[tokenize.TokenInfo]) -> Iterator[tuple[int, str]]:
    """Give the comments on consecutive lines as one text each, with the number of its last line."""
    text, last = "", 0
    for remark in remarks:
        if text and remark.start[0] != last + 1:
            yield last, text
            text = ""
        text, last = f"{text} {remark.string.lstrip('#: ')}", remark.start[0]
    if text:
        yield last, text


def _values(document: object, path: str, names: set[str]) -> Iterator[tuple[str, str]]:
    """Give the texts of all fields of these *names* anywhere in a document."""
    if isinstance(document, dict):
        for name, inner in document.items():
            if name in names and isinstance(inner, str):
                yield path, inner
            yield from _values(inner, f"{path}.{name}", names)
    elif isinstance(document, list):
        for inner in document:
            yield from _values(inner, path, names)


def _folder_of(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
