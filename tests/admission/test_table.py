"""Every row of the tables, on the real API server."""

import pytest

from admission.server import Server, complaints
from admission.table import KINDS, Case, Rejection, accepted, refused, table, title
from servicetokens.api import names
from servicetokens.api.meta import Model
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken

MODELS: dict[str, type[Model]] = {
    names.KIND_TOKEN: ServiceToken,
    names.KIND_ACCOUNT: ServiceAccount,
    names.KIND_ROLE: ServiceRole,
}


@pytest.mark.parametrize("case", accepted(), ids=title)
def test_accepted(server: Server, case: Case) -> None:
    """The API server takes the manifest, and our models read what it would store."""
    answer = server.submit(case)

    assert answer.ok, answer.body
    MODELS[case.manifest["kind"]].model_validate(answer.body)


@pytest.mark.parametrize("case", refused(), ids=title)
def test_rejected(server: Server, case: Rejection) -> None:
    """The API server rejects the manifest, blames the right field and says something that helps."""
    answer = server.submit(case)

    assert answer.status in {400, 422}, answer.body
    assert any(field == case.field and case.says in text for field, text in complaints(answer)), complaints(
        answer
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_have_their_own_names(kind: str) -> None:
    """A row is found by its name when it fails, so no two rows share one."""
    rows = [case.name for case in (*table(kind).accepted, *table(kind).refused)]

    assert len(set(rows)) == len(rows)
