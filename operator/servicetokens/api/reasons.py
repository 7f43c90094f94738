"""Why a condition has its status, and why a validator rejects a token: one list, one meaning for each word.

Both are an API: scripts wait for reasons, and dashboards and log searches count them. None is renamed or
given another meaning; new ones may be added.
"""

from enum import StrEnum
from typing import Final, Self


class Reason(StrEnum):
    """A cause, as one word for programs; `meaning` is a clause for people, in which "it" is the token or the object."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Create the member with value *word*."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    # Used by conditions and validators.
    DELETING = "Deleting", "it is being deleted"
    EXPIRED = "Expired", "it has expired"
    ACCOUNT_NOT_FOUND = "AccountNotFound", "its account does not exist"
    ACCOUNT_REPLACED = "AccountReplaced", "its account was created again; the token belonged to the old one"
    REVOKED = "Revoked", "it is revoked"
    ACCOUNT_SUSPENDED = "AccountSuspended", "its account is suspended"
    UNUSED_FOR_LONG = "UnusedForLong", "it is suspended because it was not used for a long time"
    MINTED_TOO_EARLY = "MintedTooEarly", "it was minted before the account's tokensNotBeforeTime"
    MINTED_IN_FUTURE = "MintedInFuture", "its mint time is in the future"

    # Conditions only.
    MINTED = "Minted", "it was minted and is in the Secret"
    VALID = "Valid", "it is accepted"
    ALREADY_EXPIRED = "AlreadyExpired", "its `expirationTime` had passed before a token was minted"
    NOT_MINTED = "NotMinted", "there is no token yet"
    SUSPENDED = "Suspended", "the account says `state: Suspended`"
    INVALID_SPEC = "InvalidSpec", "the stored spec breaks the rules of this version"
    LIFETIME_TOO_LONG = (
        "LifetimeTooLong",
        "the requested lifetime is longer than the account or a role allows",
    )
    KEY_MISSING = "KeyMissing", "the operator's key is lost; nothing is minted until it is restored"
    IMPORT_REJECTED = "ImportRejected", "the value to import is too weak, or its cut-over date is too late"
    IMPORT_SECRET_MISSING = (
        "ImportSecretMissing",
        "the Secret with the value to import does not exist",
    )
    SYNCED = "Synced", "the Secret holds the current token"
    SECRET_MISSING = "SecretMissing", "there is no Secret, or something keeps changing or deleting it"
    DELIVERING = (
        "Delivering",
        "the Secret is being written, and does not hold an accepted token until then",
    )
    DELIVERY_FAILED = (
        "DeliveryFailed",
        "the API server rejects the Secret; the operator retries",
    )
    SECRET_CONFLICT = (
        "SecretConflict",
        "a Secret of that name exists that the operator does not manage",
    )
    ALL_GRANTED = "AllGranted", "every requested role exists and is granted to this namespace"
    NO_ROLES = "NoRoles", "no role is requested, so proxies reject every request"
    ROLE_NOT_GRANTED = "RoleNotGranted", "a role exists but is not granted to this namespace or account"
    ROLE_NOT_FOUND = "RoleNotFound", "there is no ServiceRole of that name"
    ACCEPTED = "Accepted", "the spec of the account or role is valid"
    NOT_EXPIRING_SOON = "NotExpiringSoon", "the token does not expire soon"
    EXPIRES_WITHIN_30_DAYS = "ExpiresWithin30Days", "at most thirty days are left"
    EXPIRES_WITHIN_7_DAYS = "ExpiresWithin7Days", "at most seven days are left"
    EXPIRES_WITHIN_1_DAY = "ExpiresWithin1Day", "at most one day is left"
    EXPIRES_WITHIN_A_THIRD = "ExpiresWithinAThird", "at most a third of a short lifetime is left"
    EXPIRES_WITHIN_A_TENTH = "ExpiresWithinATenth", "at most a tenth of a short lifetime is left"
    CUT_OVER_NEAR = "CutOverNear", "at most a week, or a tenth of its time, is left for the imported value"
    ALL_VALIDATORS = "AllValidators", "every running validator has applied this generation of the spec"
    WAITING = "Waiting", "at least one running validator has not applied this generation yet"
    NO_VALIDATORS = "NoValidators", "no validator is running, so no token is accepted anywhere"

    # Validators only.
    MALFORMED = "Malformed", "it is not a service token"
    UNKNOWN = "Unknown", "no ServiceToken has its id"
    UNKNOWN_KEY = "UnknownKey", "its verifier was made with a key that validators do not have"
    WRONG_SECRET = "WrongSecret", "its id is known, but the rest is not the value that was minted"
    DELETED = "Deleted", "its ServiceToken was deleted"
    REPLACED = "Replaced", "it was rotated, and its overlap is over"
    UNREADABLE = "Unreadable", "its ServiceToken or its account holds a value that is not understood"
    AUDIENCE = "Audience", "it is for other audiences"
    NO_CLIENT_ADDRESS = (
        "NoClientAddress",
        "it is restricted to networks, and the client's address is not known",
    )
    CLIENT_ADDRESS = "ClientAddress", "the client is outside the networks that it is restricted to"
    ROLE_MISSING = "RoleMissing", "it has no granted role, or lacks one that the route requires"
    NOT_PERMITTED = "NotPermitted", "its roles lack the permission that this request needs"
    REQUEST_NOT_ALLOWED = "RequestNotAllowed", "none of its roles allows this request"


ABOUT_THE_TOKEN: Final = (
    Reason.MALFORMED,
    Reason.UNKNOWN,
    Reason.UNKNOWN_KEY,
    Reason.WRONG_SECRET,
    Reason.DELETED,
    Reason.DELETING,
    Reason.REPLACED,
    Reason.EXPIRED,
    Reason.ACCOUNT_NOT_FOUND,
    Reason.ACCOUNT_REPLACED,
    Reason.REVOKED,
    Reason.ACCOUNT_SUSPENDED,
    Reason.UNUSED_FOR_LONG,
    Reason.UNREADABLE,
    Reason.MINTED_TOO_EARLY,
    Reason.MINTED_IN_FUTURE,
)
"""Why a validator rejects a token, independent of the request, in the order of its checks."""
ABOUT_THE_REQUEST: Final = (
    Reason.AUDIENCE,
    Reason.NO_CLIENT_ADDRESS,
    Reason.CLIENT_ADDRESS,
    Reason.REQUEST_NOT_ALLOWED,
    Reason.ROLE_MISSING,
    Reason.NOT_PERMITTED,
)
"""Why a validator rejects a request with a valid token."""
REJECTIONS: Final = ABOUT_THE_TOKEN + ABOUT_THE_REQUEST
"""Every reason for which a validator rejects a request."""
