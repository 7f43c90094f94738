"""Sentences, and parts of them, that conditions and Events share."""


def account_is_going(name: str) -> str:
    """Return that the account *name* is being deleted, and what that means: a sentence."""
    return f"The ServiceAccount '{name}' is being deleted, and validators reject its tokens."


def role_is_absent(name: str) -> str:
    """Return that the role *name* does not exist, and what to do: half a sentence."""
    return f"the ServiceRole '{name}' does not exist (create it, or correct the name)"


def role_is_going(name: str) -> str:
    """Return that the role *name* is being deleted, and what to do: half a sentence."""
    return (
        f"the ServiceRole '{name}' is being deleted (create it again once it has gone, or name another one)"
    )


def role_is_elsewhere(name: str, namespace: str) -> str:
    """Return that the role *name* is not granted to *namespace*, and what to do: half a sentence."""
    return (
        f"the ServiceRole '{name}' does not list the namespace '{namespace}' in `allowedNamespaces` "
        "(add it there, or remove the role here)"
    )


def sentence_case(text: str) -> str:
    """Return *text* with its first letter in upper case."""
    return f"{text[0].upper()}{text[1:]}"


def without_roles(made_with: str, them: str, *, none_asked: bool) -> str:
    """Return what happens to tokens without roles: to what is *made with* them, and to *them*.

    Validators with that flag accept tokens that request no role, but not tokens whose roles are not granted.
    """
    unless = ", unless validators run with --allow-without-roles" if none_asked else ""
    return (
        f"Proxies reject every request made with {made_with} (403){unless}; "
        f"TokenReview and introspection accept {them} without roles."
    )
