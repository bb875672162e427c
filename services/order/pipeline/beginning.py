"""What an order begins with, once risk has decided on it."""

from __future__ import annotations

from typing import Final

from services.order.domain.events import place, refuse
from services.order.domain.family import has_no_room
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.pipeline.entries import Draft
from services.order.pipeline.ports import ACCEPTED, Decision

NO_ROOM: Final = "PARENT_ORDER_MISMATCH"
"""Reason of a child whose parent has changed since it was sent."""


def beginning(terms: OrderTerms, decision: Decision, draft: Draft) -> OrderEvent:
    """Returns the event that an order begins with: on its way, or refused."""
    if not decision.reason:
        return place(terms, draft.next_sequence, draft.at_ns)
    return refuse(
        terms,
        draft.next_sequence,
        draft.at_ns,
        reason=decision.reason,
        text=decision.text,
        breach=decision.breach,
    )


def room_at_parent(terms: OrderTerms, draft: Draft) -> Decision:
    """Returns whether an order may begin as the child that it is; one of its own always may.

    It is decided in the transaction that it begins with, so that parent and children never fill more than was ordered,
    whatever has happened to the parent since the child was sent.
    """
    if not terms.parent_order_id:
        return ACCEPTED
    why = has_no_room(terms, draft.group(terms.parent_order_id))
    return Decision(NO_ROOM, why) if why else ACCEPTED
