"""Somebody who logs in."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

from services.identity.domain.values import Environment, Role
from services.kernel.errors import CodedError, ErrorKind, invalid_field


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored.

    Attributes:
        user_id: Id, a UUIDv7.
        environment: World that the user lives in.
        username: Name to log in with, in lower case.
        display_name: Name for people; may be empty.
        email: Address for mail; may be empty.
        roles: Roles, in order.
        account_ids: Accounts that the user may act for, in order.
        password_hash: Argon2id, in its usual form.
        password_version: Grows with every change of the password.
        second_factor: Whether one is asked for at each login.
        disabled: Whether nothing of theirs is accepted.
        version: Grows with every change.
        created_at: When the user was made.
        updated_at: When the user was last changed.
    """

    user_id: str
    environment: Environment
    username: str
    display_name: str
    email: str
    roles: tuple[Role, ...]
    account_ids: tuple[str, ...]
    password_hash: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    password_version: int = 1
    second_factor: bool = False
    disabled: bool = False
    version: int = 1


def canonical_username(username: str) -> str:
    """Returns the name as it is stored and compared; the contract lets in ASCII alone."""
    return username.lower()


def canonical_password(password: str) -> str:
    """Returns the password as it is hashed: the same however a keyboard composes its letters (RFC 8265, 4.2)."""
    return unicodedata.normalize("NFC", password)


def check_password(username: str, password: str, field: str = "password") -> None:
    """Refuses a new password that anyone would try first.

    Raises:
        CodedError: INVALID_FIELD.
    """
    if canonical_password(password).casefold() == username.casefold():
        raise invalid_field(field, "must not be the username")


def wrong_credentials() -> CodedError:
    """Returns the one answer to everything that is wrong with a login."""
    return CodedError(
        ErrorKind.UNAUTHENTICATED, "INVALID_CREDENTIALS", "the credentials are not those of a user who may log in"
    )
