"""Failures of the store, told as one coded error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from services.kernel.errors import INVALID_FIELD, CodedError, invalid, unavailable

REASON = "STORE_UNAVAILABLE"
RETRY_AFTER_SECONDS = 1.0

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What the driver says when a connection is lost at an unlucky moment of a statement.
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
    exc.TimeoutError,
)


def store_error(error: BaseException) -> CodedError | None:
    """Returns the coded error for a store that cannot answer, write, or hold a text; None when the fault is another."""
    for cause in _causes(error):
        if isinstance(cause, asyncpg.CharacterNotInRepertoireError):
            # Only text that a caller sent can be such: the store has none, and no field that it would be missing from.
            return invalid(INVALID_FIELD, "a text holds the character NUL, which no text here does")
        if isinstance(cause, _LOST):
            return unavailable(REASON, "the store does not answer now", retry_after_seconds=RETRY_AFTER_SECONDS)
    return None


@contextmanager
def store_errors() -> Iterator[None]:
    """Raises STORE_UNAVAILABLE in place of what a lost, full or read-only store raises within.

    A text with NUL in it, which Postgres has no place for, is INVALID_FIELD.
    """
    try:
        yield
    except CodedError:
        raise
    except Exception as error:
        if (coded := store_error(error)) is not None:
            raise coded from error
        raise


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.orig if isinstance(cause, exc.DBAPIError) else cause.__cause__
