"""The errors that the order path answers with, beside those of the rules."""

from __future__ import annotations

from services.kernel.errors import (
    CodedError,
    aborted,
    already_exists,
    exhausted,
    invalid_field,
    not_found,
    precondition,
    unavailable,
)
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms

RETRY_SECONDS = 0.5

RISK_UNAVAILABLE = "RISK_UNAVAILABLE"
"""Reason of a risk decision that says nothing of the order: risk could not find out what it needs."""
_UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"

UNSTORED = frozenset({RISK_UNAVAILABLE, _UNKNOWN_ACCOUNT})
"""Reasons of risk decisions on which no order is stored: risk could not decide, or the account does not exist, so that
there is nobody whom a rejected order would belong to."""


def duplicate(terms: OrderTerms, order_id: str) -> CodedError:
    """Returns the error for a client order id that was used for another request."""
    return already_exists(
        "DUPLICATE_CLIENT_ORDER_ID",
        f"client_order_id {terms.client_order_id} was used in account {terms.account_id} for another request",
        client_order_id=terms.client_order_id,
        order_id=order_id,
    )


def duplicate_replace(request: ReplaceRequest) -> CodedError:
    """Returns the error for a replace id that was used for another replace of the order."""
    return already_exists(
        "DUPLICATE_REPLACE_ID",
        f"replace_id {request.replace_id} was used for another replace of the order {request.order_id}",
        replace_id=request.replace_id,
        order_id=request.order_id,
    )


def duplicate_list(client_order_list_id: str, account_id: str) -> CodedError:
    """Returns the error for a client order list id that was used for another request."""
    return already_exists(
        "DUPLICATE_CLIENT_ORDER_LIST_ID",
        f"client_order_list_id {client_order_list_id} was used in account {account_id} for another request",
        client_order_list_id=client_order_list_id,
    )


def unknown_list(order_list_id: str) -> CodedError:
    """Returns the error for a list that does not exist."""
    return not_found("UNKNOWN_ORDER_LIST", f"no order list {order_list_id} is known", order_list_id=order_list_id)


def follows_list(order: Order) -> CodedError:
    """Returns the error for a replace of a quantity that is not the caller's to choose."""
    text = "the quantity of the order follows what the other orders of its list fill; its prices can be replaced"
    return precondition("QUANTITY_FOLLOWS_LIST", text, order_id=order.terms.order_id)


def version_mismatch(order: Order, expected: int) -> CodedError:
    """Returns the error for an order that has changed since the version that the caller has seen."""
    text = f"the order is at version {order.version}, not {expected}"
    return aborted("VERSION_MISMATCH", text, order_id=order.terms.order_id, version=str(order.version))


def change_pending(order: Order) -> CodedError:
    """Returns the error for an order that cannot be replaced before an earlier change of it is decided."""
    name = order.status.name
    return precondition(
        "CHANGE_PENDING",
        f"the order is {name}; it can be replaced once the venue has answered",
        order_id=order.terms.order_id,
        order_status=name,
    )


def child_of_another(order: Order) -> CodedError:
    """Returns the error for a child order, whose terms are its parent's business."""
    parent = order.terms.parent_order_id
    return precondition(
        "PARENT_ORDER_MISMATCH",
        f"the order is a child of {parent}; replace that one",
        order_id=order.terms.order_id,
        parent_order_id=parent,
    )


def unknown_order(order_id: str) -> CodedError:
    """Returns the error for an order that does not exist."""
    return not_found("UNKNOWN_ORDER", f"no order {order_id} is known", order_id=order_id)


def unknown_trade(trade_id: str) -> CodedError:
    """Returns the error for a fill that does not exist."""
    return not_found("UNKNOWN_TRADE", f"no trade {trade_id} is known", trade_id=trade_id)


def not_live(order: Order) -> CodedError:
    """Returns the error for an order that has ended."""
    name = order.status.name
    return precondition(
        "ORDER_NOT_LIVE",
        f"the order has ended: {name}",
        order_id=order.terms.order_id,
        order_status=name,
    )


def risk_unavailable(why: str = "the risk check was not answered in time") -> CodedError:
    """Returns the error for an order that risk could not decide on now."""
    message = f"{why}; the order was refused and may be sent again under the same id"
    return unavailable(RISK_UNAVAILABLE, message, retry_after_seconds=RETRY_SECONDS)


def unstored(reason: str, text: str) -> CodedError:
    """Returns the error for an order that is not stored, by the reason of risk's decision."""
    if reason == _UNKNOWN_ACCOUNT:
        return invalid_field("account_id", text, reason=reason)
    return risk_unavailable(text)


def store_unavailable() -> CodedError:
    """Returns the error for a commit that was not confirmed."""
    message = "the store does not answer; send the same request under the same id to learn whether it was committed"
    return unavailable("STORE_UNAVAILABLE", message, retry_after_seconds=RETRY_SECONDS)


def overloaded(waiting: int) -> CodedError:
    """Returns the error for a full queue."""
    return exhausted("OVERLOADED", f"{waiting} orders are waiting already", retry_after_seconds=RETRY_SECONDS)


def draining() -> CodedError:
    """Returns the error for a service that is about to stop."""
    return unavailable("DRAINING", "the service is draining", retry_after_seconds=RETRY_SECONDS)


def outcome(order: Order, terms: OrderTerms) -> Order | CodedError:
    """Returns what a request is answered with whose client order id belongs to an order already."""
    if order.terms.fingerprint != terms.fingerprint:
        return duplicate(terms, order.terms.order_id)
    return order
