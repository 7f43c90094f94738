"""Why a condition has its status, and why a validator rejects a token: one list, one meaning for each word.

Both are an API: scripts wait for reasons, dashboards and log searches count them. None is renamed or given another
meaning; new ones are added.
"""

from enum import StrEnum
from typing import Final, Self


class Reason(StrEnum):
    """A cause, as one word for programs; `meaning` is a clause for people, in which "it" is the token or the object."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make a member that is *word*."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    # What conditions and validators both say.
    DELETING = "Deleting", "it is being deleted"
    EXPIRED = "Expired", "it has expired"
    ACCOUNT_NOT_FOUND = "AccountNotFound", "its account does not exist"
    ACCOUNT_REPLACED = "AccountReplaced", "its account was created anew; the token belonged to the old one"
    REVOKED = "Revoked", "it is revoked"
    ACCOUNT_SUSPENDED = "AccountSuspended", "its account is suspended"
    UNUSED_FOR_LONG = "UnusedForLong", "it is suspended, because it was not used for long"
    MINTED_TOO_EARLY = "MintedTooEarly", "it was minted before the account's tokensNotBeforeTime"
    MINTED_IN_FUTURE = "MintedInFuture", "its mint time is in the future"

    # Conditions only.
    MINTED = "Minted", "it was minted and is in the Secret"
    VALID = "Valid", "it is accepted"
    ALREADY_EXPIRED = "AlreadyExpired", "its fixed end had passed before a token was minted"
    NOT_MINTED = "NotMinted", "there is no token yet"
    SUSPENDED = "Suspended", "the account says `state: Suspended`"
    INVALID_SPEC = "InvalidSpec", "the stored spec breaks the rules of this version"
    LIFETIME_TOO_LONG = (
        "LifetimeTooLong",
        "the lifetime that was asked for is longer than the account or a role allows",
    )
    KEY_MISSING = "KeyMissing", "the key that signs tokens is lost; nothing is minted until it is back"
    IMPORT_REFUSED = "ImportRefused", "the value to be imported is not good enough, or wanted for too long"
    IMPORT_SECRET_MISSING = (
        "ImportSecretMissing",
        "the Secret with the value to be imported does not exist",
    )
    SYNCED = "Synced", "the Secret holds the current token"
    SECRET_MISSING = "SecretMissing", "there is no Secret, or something keeps changing or deleting it"
    DELIVERING = (
        "Delivering",
        "the new token is being written to the Secret, and the one before it is rejected already",
    )
    DELIVERY_FAILED = (
        "DeliveryFailed",
        "the API server rejects the Secret; the operator retries",
    )
    SECRET_CONFLICT = (
        "SecretConflict",
        "the name of the Secret is taken by something that is not the operator's",
    )
    ALL_GRANTED = "AllGranted", "every role that is asked for exists and is granted to this namespace"
    NO_ROLES = "NoRoles", "no role is asked for, so proxies reject every request"
    ROLE_NOT_GRANTED = "RoleNotGranted", "a role exists and is not granted to this namespace or account"
    ROLE_NOT_FOUND = "RoleNotFound", "there is no ServiceRole of that name"
    ACCEPTED = "Accepted", "the spec of the account or role was read and holds"
    NOT_EXPIRING_SOON = "NotExpiringSoon", "no end is near"
    EXPIRES_WITHIN_30_DAYS = "ExpiresWithin30Days", "thirty days are left, or fewer"
    EXPIRES_WITHIN_7_DAYS = "ExpiresWithin7Days", "seven days are left, or fewer"
    EXPIRES_WITHIN_1_DAY = "ExpiresWithin1Day", "one day is left, or less"
    EXPIRES_WITHIN_A_THIRD = "ExpiresWithinAThird", "of a short life a third is left, or less"
    EXPIRES_WITHIN_A_TENTH = "ExpiresWithinATenth", "of a short life a tenth is left, or less"
    CUT_OVER_NEAR = "CutOverNear", "a week is left before the imported value ends, or a tenth of its time"
    ALL_VALIDATORS = "AllValidators", "every live validator answers by this generation of the spec"
    WAITING = "Waiting", "at least one live validator has yet to see this generation"
    NO_VALIDATORS = "NoValidators", "no validator is alive, so nothing is accepted anywhere"

    # Validators only.
    MALFORMED = "Malformed", "it is not a service token"
    UNKNOWN = "Unknown", "no ServiceToken has its id"
    UNKNOWN_KEY = "UnknownKey", "its verifier was made with a key that validators do not have"
    WRONG_SECRET = "WrongSecret", "its id is known, and the rest is not the value that was minted"
    DELETED = "Deleted", "its ServiceToken was deleted"
    REPLACED = "Replaced", "it was rotated, and its overlap is over"
    UNREADABLE = "Unreadable", "its ServiceToken or its account holds a value that is not understood"
    AUDIENCE = "Audience", "it is for other audiences"
    NO_CLIENT_ADDRESS = (
        "NoClientAddress",
        "it is bound to networks, and the client's address is not known",
    )
    CLIENT_ADDRESS = "ClientAddress", "the client is outside of the networks that it is bound to"
    ROLE_MISSING = "RoleMissing", "no role that it asks for is granted"
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
"""Why a validator rejects a token, whatever it is presented for, in the order of its checks."""
ABOUT_THE_REQUEST: Final = (
    Reason.AUDIENCE,
    Reason.NO_CLIENT_ADDRESS,
    Reason.CLIENT_ADDRESS,
    Reason.REQUEST_NOT_ALLOWED,
    Reason.ROLE_MISSING,
    Reason.NOT_PERMITTED,
)
"""Why a validator rejects a request that was made with a valid token."""
REFUSALS: Final = ABOUT_THE_TOKEN + ABOUT_THE_REQUEST
"""Every reason with which a validator rejects."""
