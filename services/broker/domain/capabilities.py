"""What an adapter can do, told before anything is asked of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.broker.domain.messages import Command, NewOrder, OrderType, ReplaceOrder, TimeInForce
from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError, FieldViolation, invalid


class Environment(enum.IntEnum):
    """World that a connection belongs to, numbered as in the contract."""

    SIMULATION = 1
    LIVE = 2


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do.

    Attributes:
        adapter: Kind of adapter.
        deduplicates_commands: The venue ignores a command it has seen.
        recovers_reports: Reports that were missed can be asked for.
        tells_account: Open orders, positions and funds can be asked for.
        replaces_orders: Price, quantity and expiry of an open order can be changed in place.
        takes_post_only: Orders may be post-only.
        takes_display_quantity: Orders may show a part of their quantity at a time.
        adjusts_trades: Trades can be canceled and corrected from here, as the venue's operator.
        required_credentials: Names of the credentials that a connection must have.
        optional_credentials: Names of those that it may have.
        taker_fee_rate: Fee for taking liquidity, a part of the value traded.
    """

    adapter: str
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    environments: frozenset[Environment]
    deduplicates_commands: bool
    recovers_reports: bool
    tells_account: bool
    replaces_orders: bool
    takes_post_only: bool
    takes_display_quantity: bool
    required_credentials: frozenset[str] = frozenset()
    optional_credentials: frozenset[str] = frozenset()
    taker_fee_rate: Decimal = ZERO
    adjusts_trades: bool = False

    @property
    def takes_everything(self) -> bool:
        """Whether there is no command that it would have to be asked about."""
        return (
            self.order_types >= frozenset(OrderType)
            and self.times_in_force >= frozenset(TimeInForce)
            and self.replaces_orders
            and self.takes_post_only
            and self.takes_display_quantity
        )

    def lacks(self, command: Command) -> str:
        """Returns what a command asks for that the adapter does not offer; empty when it can be sent."""
        if isinstance(command, ReplaceOrder):
            return "" if self.replaces_orders else "replace orders"
        return self._lacks_of_order(command) if isinstance(command, NewOrder) else ""

    def _lacks_of_order(self, order: NewOrder) -> str:
        instructions = order.instructions
        if order.order_type not in self.order_types:
            return f"take {OrderType(order.order_type).name} orders"
        if order.time_in_force not in self.times_in_force:
            return f"take {TimeInForce(order.time_in_force).name} orders"
        if instructions is not None and instructions.post_only and not self.takes_post_only:
            return "take post-only orders"
        if instructions is not None and instructions.display_quantity and not self.takes_display_quantity:
            return "show a part of an order"
        return ""

    def check_environment(self, environment: Environment) -> None:
        """Raises NOT_SUPPORTED_BY_ADAPTER when the adapter does not reach that world."""
        if environment not in self.environments:
            raise _unsupported(
                "environment", f"the adapter {self.adapter} does not reach {environment.name}", environment.name
            )

    def check_adjusts_trades(self, environment: Environment) -> None:
        """Raises NOT_SUPPORTED_BY_ADAPTER when trades of a connection cannot be canceled or corrected from here."""
        if not self.adjusts_trades or environment is not Environment.SIMULATION:
            text = f"trades of a {environment.name} connection by the adapter {self.adapter} are its venue's to adjust"
            raise _unsupported("connection_id", text, self.adapter)

    def check_credentials(self, credentials: Mapping[str, object]) -> None:
        """Raises INVALID_FIELD when a credential is missing, NOT_SUPPORTED_BY_ADAPTER when one is not known."""
        known = self.required_credentials | self.optional_credentials
        for name in sorted(credentials):
            if name not in known:
                raise _unsupported("credentials", f"the adapter {self.adapter} knows no credential {name}", name)
        if missing := sorted(self.required_credentials - credentials.keys()):
            violations = [FieldViolation("credentials", f"{name} must be given") for name in missing]
            text = f"credentials: the adapter {self.adapter} needs {', '.join(missing)}"
            raise invalid("INVALID_FIELD", text, *violations)


def _unsupported(field: str, text: str, value: str) -> CodedError:
    return invalid("NOT_SUPPORTED_BY_ADAPTER", text, FieldViolation(field, text), value=value)
