"""Writing the status of an object, and believing what came back."""

from servicetokens.api import names
from servicetokens.api.meta import StatusModel
from servicetokens.api.service_account import ServiceAccountStatus
from servicetokens.api.service_role import ServiceRoleStatus
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.cache.facts import Raw
from servicetokens.kube.errors import ApiUnavailable, Conflict, NotFound
from servicetokens.kube.objects import StatusWriter
from servicetokens.lifecycle.snapshot import AccountFacts, ObjectFacts, RoleFacts, TokenFacts


class Statuses:
    """Writes statuses to objects as they were seen. The caches contain the result before any watch reports it."""

    def __init__(self, caches: Caches, objects: StatusWriter) -> None:
        self._caches = caches
        self._objects = objects

    async def write_token(self, token: TokenFacts, status: ServiceTokenStatus) -> TokenFacts:
        """Write *status* to *token*, and return the token as it is now.

        Raises:
            KubeError: it was not written, or it is not known whether it was; then the next pass reads the token first.
        """
        try:
            raw = await self._put(names.PLURAL_TOKENS, names.KIND_TOKEN, token, status)
        except (Conflict, ApiUnavailable, NotFound):
            # NotFound, too: an API server that is starting, or whose CRD is being restored, answers so for existing
            # objects.
            self._caches.tokens.invalidate((token.namespace, token.name))
            raise
        written = facts.token_facts(raw)
        self._caches.put_token(written)
        return written

    async def write_account(self, account: AccountFacts, status: ServiceAccountStatus) -> None:
        """Write *status* to *account*, unless it has changed: its event reconciles it again. Raises `KubeError`."""
        try:
            raw = await self._put(names.PLURAL_ACCOUNTS, names.KIND_ACCOUNT, account, status)
        except (Conflict, NotFound):
            return
        self._caches.accounts.put((account.namespace, account.name), facts.account_facts(raw))

    async def write_role(self, role: RoleFacts, status: ServiceRoleStatus) -> None:
        """Write *status* to *role*, unless it has changed: its event reconciles it again. Raises `KubeError`."""
        try:
            raw = await self._put(names.PLURAL_ROLES, names.KIND_ROLE, role, status)
        except (Conflict, NotFound):
            return
        self._caches.roles.put(("", role.name), facts.role_facts(raw))

    async def _put(self, plural: str, kind: str, of: ObjectFacts, status: StatusModel) -> Raw:
        return await self._objects.put_status(
            plural,
            kind,
            namespace=of.namespace,
            name=of.name,
            resource_version=of.resource_version,
            status=status.to_wire(),
        )
