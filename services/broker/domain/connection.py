"""A connection to a broker or venue, and the rules for changing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.broker.domain.capabilities import Environment
from services.kernel.errors import CodedError, aborted, precondition

BUILT_IN: Final = "simulation"
"""Id of the connection that every installation has, and that orders take when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A way to a broker or venue. The values of its credentials are not part of it.

    Attributes:
        default_account_ids: Accounts whose orders go through it when they name no connection, sorted.
        credential_names: Names of the credentials that are stored, sorted.
        version: Counts the changes, from 1.
    """

    connection_id: str
    display_name: str
    adapter: str
    environment: Environment
    enabled: bool
    default_account_ids: tuple[str, ...]
    credential_names: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def built_in(self) -> bool:
        """Whether it is the one that every installation has."""
        return self.connection_id == BUILT_IN

    def check_version(self, expected: int) -> None:
        """Raises VERSION_MISMATCH when the caller saw another version; 0 stands for any."""
        if expected and expected != self.version:
            text = f"the connection {self.connection_id} is at version {self.version}, not {expected}"
            raise aborted("VERSION_MISMATCH", text, version=str(self.version))

    def check_deletable(self) -> None:
        """Raises CONNECTION_IN_USE for the built-in connection."""
        if self.built_in:
            raise precondition("CONNECTION_IN_USE", "the built-in connection cannot be deleted")


def in_use(connection_id: str, open_orders: int) -> CodedError:
    """Returns the error for a connection that has orders open at its venue."""
    text = f"{open_orders} orders of the connection {connection_id} are open at its venue"
    return precondition("CONNECTION_IN_USE", text, open_orders=str(open_orders))
