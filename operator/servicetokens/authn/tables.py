"""Filled by watches: one table per feed, each of which updates the index for its objects.

All three have the methods of `servicetokens.kube.watch.Sink`. A new list marks the objects in it; when it is complete,
all others are removed: they were deleted while no watch was open.
"""

from typing import Protocol

from servicetokens.authn.index import Index
from servicetokens.authn.reading import forget_account, read_end, read_role, read_token, update_account
from servicetokens.authn.records import Account, TokenRecord, compact_uid
from servicetokens.authn.wire import AccountObject, RoleObject, TokenObject


class Identity(Protocol):
    """The identity of an object."""

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        ...

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, empty for what has none."""
        ...

    @property
    def name(self) -> str:
        """`metadata.name`."""
        ...


class Table:
    """What the tables share: the name of the feed and the number of the list."""

    def __init__(self, index: Index, feed: str) -> None:
        """Serve *index*, which answers nothing until this feed has delivered a complete list."""
        self._index = index
        self._feed = feed
        self._list = 0
        self._complete = False
        self.unreadable = 0
        """Number of objects whose shape this code does not understand."""
        index.expect(
            feed,
            missing=f"the first list of {feed} is not complete",
            silent=f"the watch of {feed} has received nothing",
        )

    def begin(self) -> None:
        """See `Sink`."""
        self._list += 1

    def confirm(self, at: float) -> None:
        """See `Sink`. A confirmation means nothing before the first list is complete."""
        if self._complete:
            self._index.confirm(self._feed, at)


class TokenTable(Table):
    """ServiceTokens by uid; a re-created object of the same name has another one."""

    def __init__(self, index: Index, feed: str) -> None:
        """See `Table`."""
        super().__init__(index, feed)
        self._records: dict[int | str, TokenRecord] = {}

    def __len__(self) -> int:
        """Return how many ServiceTokens are known."""
        return len(self._records)

    def put(self, item: TokenObject) -> None:
        """See `Sink`."""
        meta = item.metadata
        account = self._index.account(meta.namespace, item.spec.account_ref.name)
        record = read_token(item, account)
        record.restrictions = self._index.shared_restrictions(record.restrictions)
        record.mark = self._list
        before = self._records.pop(record.compact_uid, None)
        if before is not None:
            self._index.unlink(before)
        self._records[record.compact_uid] = record
        self._index.link(record)
        if before is not None:
            self._index.remember_ended(before)
        if item.status is not None and item.status.token_id:
            self._index.remember_last(record, item.status.token_id, read_end(item.status))
        if before is not None and _rejection(before) != _rejection(record):
            self._index.on_state_change()

    def put_unreadable(self, identity: Identity) -> None:
        """See `Sink`. The object may have changed in any way; its credentials stay in the index and are rejected."""
        self.unreadable += 1
        record = self._records.pop(compact_uid(identity.uid), None)
        if record is not None:
            self._index.unlink(record)

    def remove(self, identity: Identity) -> None:
        """See `Sink`."""
        self._forget(compact_uid(identity.uid))

    def end(self) -> None:
        """See `Sink`."""
        self._complete = True
        for uid in [uid for uid, record in self._records.items() if record.mark != self._list]:
            self._forget(uid)

    def _forget(self, uid: int | str) -> None:
        record = self._records.pop(uid, None)
        if record is not None:
            self._index.unlink(record)
            self._index.remember_ended(record, is_deleted=True)


def _rejection(record: TokenRecord) -> tuple[bool, bool]:
    return record.state.revoked, record.state.suspended


class AccountTable(Table):
    """ServiceAccounts by name, which is what tokens reference."""

    def __init__(self, index: Index, feed: str) -> None:
        """See `Table`."""
        super().__init__(index, feed)
        self._existing: dict[tuple[str, str], tuple[Account, int]] = {}

    def put(self, item: AccountObject) -> None:
        """See `Sink`."""
        account = self._note(item.metadata)
        was_suspended = account.suspended
        update_account(account, item)
        if account.suspended != was_suspended:
            self._index.on_state_change()

    def put_unreadable(self, identity: Identity) -> None:
        """See `Sink`. The account exists, and none of its tokens is accepted."""
        self.unreadable += 1
        account = self._note(identity)
        forget_account(account)
        account.uid = identity.uid
        account.readable = False

    def remove(self, identity: Identity) -> None:
        """See `Sink`."""
        self._forget((identity.namespace, identity.name))

    def end(self) -> None:
        """See `Sink`."""
        self._complete = True
        for key in [key for key, (_, mark) in self._existing.items() if mark != self._list]:
            self._forget(key)

    def _note(self, identity: Identity) -> Account:
        account = self._index.account(identity.namespace, identity.name)
        self._existing[identity.namespace, identity.name] = (account, self._list)
        return account

    def _forget(self, key: tuple[str, str]) -> None:
        account, _ = self._existing.pop(key, (None, 0))
        if account is not None:
            forget_account(account)


class RoleTable(Table):
    """ServiceRoles: the catalogue."""

    def __init__(self, index: Index, feed: str) -> None:
        """See `Table`."""
        super().__init__(index, feed)
        self._marks: dict[str, int] = {}

    def put(self, item: RoleObject) -> None:
        """See `Sink`. A role that is being deleted counts as deleted: a finalizer must not keep it granted."""
        if item.metadata.deletion_timestamp is not None:
            self.remove(item.metadata)
            return
        try:
            role = read_role(item)
        except ValueError:
            self.put_unreadable(item.metadata)
            return
        self._index.roles[role.name] = role
        self._index.roles_version += 1
        self._marks[role.name] = self._list

    def put_unreadable(self, identity: Identity) -> None:
        """See `Sink`. A role that this code does not understand is granted to no namespace."""
        self.unreadable += 1
        self.remove(identity)

    def remove(self, identity: Identity) -> None:
        """See `Sink`."""
        self._forget(identity.name)

    def end(self) -> None:
        """See `Sink`."""
        self._complete = True
        for name in [name for name, mark in self._marks.items() if mark != self._list]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._marks.pop(name, None)
        if self._index.roles.pop(name, None) is not None:
            self._index.roles_version += 1
