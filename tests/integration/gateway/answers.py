"""Reads error bodies in tests of the gateway."""

from __future__ import annotations

from typing import Any

import httpx

ORDER = {
    "client_order_id": "first",
    "account_id": "demo",
    "instrument": "AAPL.XNAS",
    "side": "SIDE_BUY",
    "type": "ORDER_TYPE_LIMIT",
    "time_in_force": "TIME_IN_FORCE_DAY",
    "quantity": "100",
    "limit_price": "187.25",
}


def detail(answer: httpx.Response, name: str) -> dict[str, Any] | None:
    """One detail of the answer's `google.rpc.Status`, by its type's full name."""
    for each in answer.json()["details"]:
        if each["@type"] == f"type.googleapis.com/{name}":
            found: dict[str, Any] = each
            return found
    return None


def reason(answer: httpx.Response) -> str:
    """The reason, after checking that the body is a `google.rpc.Status` of this domain."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert isinstance(body["code"], int)
    assert isinstance(body["message"], str)
    assert body["message"]
    info = detail(answer, "google.rpc.ErrorInfo")
    assert info is not None
    assert info["domain"] == "ordermesh.dev"
    return str(info["reason"])


def fields(answer: httpx.Response) -> list[str]:
    """The fields that the answer names."""
    bad = detail(answer, "google.rpc.BadRequest")
    return [violation["field"] for violation in bad["field_violations"]] if bad else []
