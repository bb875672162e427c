"""Random bodies through a real Envoy: never a fault, never accepted where protobuf's own JSON reader refuses."""

from __future__ import annotations

import json
from typing import Any

import httpx
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordermesh.order.v1 import order_entry_pb2
from tests.integration.gateway.answers import ORDER, reason

FUZZED = settings(
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*ORDER, "accountId", "clientOrderId", "nothing", ""])
orders = st.fixed_dictionaries({}, optional={name: st.just(value) | values for name, value in ORDER.items()}) | (
    st.dictionaries(names, values, max_size=4)
)
SWITCH = st.sampled_from(
    ['"', "{", "}", "[", "]", ",", ":", "\\", "0", "-", ".", "e", "t", " ", "\x00", "\x1f", "\x7f", "é"]
)


def post(http: httpx.Client, body: bytes) -> httpx.Response:
    """Sends a body; the answer is a success or the caller's fault, told as a status."""
    answer = http.post("/api/v1/orders:batch", content=body, headers={"content-type": "application/json"})
    if answer.status_code != 200:
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == 3
        assert reason(answer) in {"MALFORMED_JSON", "UNKNOWN_FIELD", "INVALID_FIELD"}
    return answer


def protobuf_takes(body: bytes) -> bool:
    """Whether protobuf's own reader takes the body."""
    try:
        json_format.Parse(body.decode(), order_entry_pb2.PlaceOrdersRequest())
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        return False
    return True


@FUZZED
@given(sent=st.fixed_dictionaries({"orders": st.lists(orders, max_size=3) | values}))
def test_wrong_values_are_never_taken(http: httpx.Client, sent: dict[str, Any]) -> None:
    """What protobuf would refuse, the gateway refuses."""
    body = json.dumps(sent).encode()
    answer = post(http, body)

    if answer.status_code == 200:
        assert protobuf_takes(body), body


@FUZZED
@given(at=st.integers(0, 400), put=SWITCH, take=st.integers(0, 3))
def test_broken_json_is_never_taken(http: httpx.Client, at: int, put: str, take: int) -> None:
    """A good body with bytes changed, put in or taken out is good only if it is still JSON for protobuf."""
    good = json.dumps({"orders": [ORDER, {"client_order_id": "b", "side": 1, "account_id": "\u00e9\u20ac"}]})
    body = (good[: at % len(good)] + put + good[at % len(good) + take :]).encode()
    answer = post(http, body)

    if answer.status_code == 200:
        assert protobuf_takes(body), body


@FUZZED
@given(body=st.binary(max_size=60))
def test_any_bytes_are_answered(http: httpx.Client, body: bytes) -> None:
    """Bytes of any kind get an answer of the right form."""
    post(http, body)
