"""Where a spec leads does not depend on what it was before; and every field can be changed and removed again."""

import copy
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
import yaml

from common.builders import specs
from common.builders.specs import BASES, TABLE, Effect, Field, Spec, at, filled, leaves, put
from common.drivers.resting import HISTORY, Place, State
from common.repository import ROOT
from servicetokens.api import names
from servicetokens.api.values import format_time

PAGES: Final = {
    names.PLURAL_TOKENS: "service-token",
    names.PLURAL_ACCOUNTS: "service-account",
    names.PLURAL_ROLES: "service-role",
}
# Each is two namespaces. More find more: the seed is another in every run.
PAIRS: Final = 12
# So many wait together: most of it is waiting.
AT_ONCE: Final = 8
# Of what holds a first token back there is little, or there would be no token in most cases.
RARELY: Final = 0.08
CASES: Final = [(plural, path) for plural, fields in TABLE.items() for path in fields]

Make = Callable[[], Place]


def schema_of(plural: str) -> Mapping[str, Any]:
    """Return the schema of the spec of *plural*, as it is installed."""
    crd = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    found: Mapping[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@pytest.mark.parametrize("plural", TABLE)
def test_every_field_is_in_the_table(plural: str) -> None:
    """By the CRD's own schema, so that a new one has to say what it does, and who shows it."""
    assert sorted(TABLE[plural]) == sorted(leaves(schema_of(plural)))
    for path, one in TABLE[plural].items():
        assert one.shown_by or one.effect is not Effect.LATER, path
        if one.shown_by:
            file, _, name = one.shown_by.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(), path


@pytest.mark.parametrize("plural", TABLE)
def test_what_every_field_does_is_on_the_page_of_its_kind(plural: str) -> None:
    """In its own row of the table, or in that of a field that it is in."""
    page = (ROOT / "docs" / "reference" / "kinds" / f"{PAGES[plural]}.md").read_text()
    for path, one in TABLE[plural].items():
        parts = path.split(".")
        holders = [re.escape(".".join(parts[: number + 1])) for number in range(len(parts))]
        rows = [row for holder in holders for row in re.findall(rf"^\| `{holder}` \|.*$", page, re.MULTILINE)]
        assert any(one.says in row for row in rows), path


def test_what_history_keeps_is_on_a_page() -> None:
    """Every word of the list that is left out of comparisons below."""
    page = (ROOT / "docs" / "reference" / "conditions.md").read_text()
    (listed,) = re.findall(r"^### What depends on what was before$(.*?)^##", page, re.MULTILINE | re.DOTALL)
    assert [word for word in HISTORY if f"`{word}`" not in listed] == []


# Single fields.


def stages(plural: str, path: str) -> Iterator[tuple[str, dict[str, Spec]]]:
    """Give the specs of all kinds while one field is set, changed and removed, and as they were at first."""
    one = TABLE[plural][path]

    def with_value(value: Any, without: tuple[str, ...] = ()) -> dict[str, Spec]:
        found = copy.deepcopy(dict(BASES))
        for name in without:
            put(found[plural], name, None)
        if one.effect is not Effect.FIXED or value is not None:
            for name, other in one.beside.items():
                put(found[plural], name, other)
        if value is not None:
            put(found[plural], path, value)
        return found

    yield "before", with_value(None)
    yield "one", with_value(one.one, one.without)
    yield "other", with_value(one.other, one.without)
    away = with_value(None)
    put(away[plural], path, None)
    for name, value in (one.instead or ({"expiresAfter": "30d"} if one.without else {})).items():
        put(away[plural], name, value)
    yield "away", away
    at_last = with_value(None)
    for name, value in one.kept.items():
        put(at_last[plural], name, value)
    yield "before again", at_last


def apply(place: Place, wanted: Mapping[str, Spec | None], order: list[str] | None = None) -> None:
    """Give every object its spec."""
    for plural in order or list(wanted):
        spec = wanted[plural]
        now = format_time(int(time.time()))
        answer = place.apply(plural, None if spec is None else filled(spec, {**place.words, specs.NOW: now}))
        assert answer.ok or (spec is None and answer.status == 404), (plural, spec, answer)


def settled(place: Place, is_it: Callable[[State], bool], what: str) -> State:
    """Wait until the operator has answered and *is_it* holds; return what is seen then."""

    def look() -> State | None:
        if not place.is_observed():
            return None
        found = place.look()
        return found if is_it(found) else None

    found: State = place.world.until(look, what, timeout=60)
    return found


def walk(place: Place, plural: str, path: str) -> str:
    """Take one field through its lifetime; return what is wrong."""
    one, seen = TABLE[plural][path], list[State]()
    at_first = next(stages(plural, path))[1]
    for stage, wanted in stages(plural, path):
        if (one.effect is Effect.FIXED and stage != "before") or (one.kept and stage == "away"):
            if problem := refused(place, plural, one, wanted, stage):
                return problem
            continue
        apply(place, wanted)
        if stage == "before":
            is_seen = partial(is_minted, one)
        else:
            is_back = stage == "before again" or wanted == at_first
            is_seen = partial(shows, one, seen, is_back=is_back, is_set=stage in {"one", "other"})
        try:
            seen.append(settled(place, is_seen, f"{path}: {stage}"))
        except TimeoutError as error:
            return f"{error}: {one.effect.value} is {place.look().part(part_of(one))}"
    return ""


def part_of(one: Field) -> str:
    """Return the part of the state that a field is about."""
    return one.effect.value if one.effect.value in State.__annotations__ else "status"


def is_minted(one: Field, now: State) -> bool:
    """Say whether there is a token, and validators know it, or the proof that they reject it."""
    is_proven = ["Enforced", "True"] in [condition[:2] for condition in now.status["conditions"]]
    is_known = now.answers is not None and (is_proven if "state" in one.beside else now.answers[0][0] == 200)
    return is_known and ("Ready", "True") in {(kind, status) for kind, status, _ in now.waiting}


def shows(one: Field, seen: list[State], now: State, *, is_back: bool, is_set: bool) -> bool:
    """Say whether *now* differs from what was seen last where it has to, or is what was seen first."""
    if is_back or one.effect is Effect.NOTHING:
        return now.compared() == seen[0].compared()
    if not is_set or one.effect is Effect.LATER:
        return True
    return bool(now.part(one.effect.value) != seen[-1].part(one.effect.value))


def refused(place: Place, plural: str, one: Field, wanted: Mapping[str, Spec], stage: str) -> str:
    """Return what is wrong with how a change of a field that cannot change is answered."""
    if wanted == dict(BASES):
        return ""
    answer = place.apply(plural, filled(wanted[plural], place.words))
    return "" if answer.status == 422 else f"{stage} of {one.one!r}: {answer}"


@pytest.mark.timeout(900)
def test_every_field_can_be_changed_and_removed(place: Make) -> None:
    """With an effect where the table says so; in the end everything is as if it had never been set."""
    with ThreadPoolExecutor(AT_ONCE) as executor:
        walks = {case: executor.submit(walk, place(), *case) for case in CASES}
        problems = {case: one.result() for case, one in walks.items()}
    assert {case: problem for case, problem in problems.items() if problem} == {}


# Whole specs.


@dataclass(frozen=True)
class Specs:
    """What all three objects are to be; None is that one does not exist."""

    by_plural: dict[str, Spec | None]

    @classmethod
    def draw(cls, chosen: random.Random) -> "Specs":
        """Return any specs that the API server accepts."""
        found: dict[str, Spec | None] = {}
        for plural, fields in TABLE.items():
            spec = copy.deepcopy(BASES[plural])
            for path, one in fields.items():
                if one.effect is not Effect.FIXED and chosen.random() < (RARELY if one.blocks else 0.5):
                    put(spec, path, chosen.choice(one.calm or (one.one, one.other)))
            found[plural] = spec
        token = found[names.PLURAL_TOKENS] or {}
        if "expirationTime" in token:
            put(token, "expiresAfter", None)
        if token.get("state") != "Revoked":
            put(token, "revocationReason", None)
        rotation = token.get("rotation", {})
        if not {"every", "id"} & set(rotation):
            put(token, "rotation.overlap", None)
        policy = (found[names.PLURAL_ACCOUNTS] or {}).get("tokenPolicy", {})
        if "unusedFor" not in policy:
            put(found[names.PLURAL_ACCOUNTS] or {}, "tokenPolicy.suspendUnusedAfter", None)
        for plural in (names.PLURAL_ACCOUNTS, names.PLURAL_ROLES):
            if chosen.random() < RARELY:
                found[plural] = None
        return cls(found)

    def after(self, before: "Specs") -> "Specs":
        """Return the same specs, in a form into which *before* may be changed: some fields cannot be removed."""
        found = copy.deepcopy(self.by_plural)
        for plural, fields in TABLE.items():
            old, new = before.by_plural[plural] or {}, found[plural]
            for name, value in ((name, value) for one in fields.values() for name, value in one.kept.items()):
                if new is not None and (
                    (at(old, name) is not None and at(new, name) is None)
                    or is_widened(at(old, name), at(new, name))
                ):
                    put(new, name, value)
        return Specs(found)


def is_widened(old: Any, new: Any) -> bool:
    """Say whether *new* is a list of one object, the one in *old* without some of its lists, and nothing more."""
    if not (isinstance(old, list) and isinstance(new, list) and isinstance(old[0], dict)):
        return False
    return new[0] != old[0] and all(
        set(values) <= set(old[0].get(name, ())) for name, values in new[0].items()
    )


def alike(scratch: State, walked: State) -> str:
    """Return in what the two differ that history does not have to keep."""
    is_minted = scratch.minted != "None"
    one, other = (
        state.compared() if is_minted else state.compared_while_waiting() for state in (scratch, walked)
    )
    return "\n".join(f"{part}:\n  {one[part]}\n  {other[part]}" for part in one if one[part] != other[part])


def converge(places: tuple[Place, Place], first: Specs, then: Specs, order: list[str]) -> str:
    """Let one place go from *first* to *then*, and another begin with *then*; return what differs."""
    walked, scratch = places
    for wanted in (first, then):
        apply(walked, wanted.by_plural, order)
        settled(walked, lambda _: True, "an answer")
    apply(scratch, then.by_plural)
    settled(scratch, lambda _: True, "an answer")

    def same() -> bool:
        return all(place.is_observed() for place in places) and not alike(scratch.look(), walked.look())

    try:
        walked.world.until(same, "both to be the same", timeout=60)
    except TimeoutError:
        return f"from {first.by_plural}\nto {then.by_plural}\n{alike(scratch.look(), walked.look())}"
    return ""


@pytest.mark.timeout(900)
def test_a_spec_leads_to_one_state_wherever_it_comes_from(place: Make) -> None:
    """For random pairs of all three specs, except for what history has to keep (`HISTORY`)."""
    seed = random.randrange(2**32)
    chosen = random.Random(seed)
    cases = []
    for _ in range(PAIRS):
        order = list(TABLE)
        chosen.shuffle(order)
        first = Specs.draw(chosen)
        cases.append((first, Specs.draw(chosen).after(first), order))
    with ThreadPoolExecutor(AT_ONCE) as executor:
        going = [executor.submit(converge, (place(), place()), *case) for case in cases]
        problems = [one.result() for one in going]
    assert [problem for problem in problems if problem] == [], f"drawn by random.Random({seed})"
