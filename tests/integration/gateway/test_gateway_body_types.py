"""Bodies that are not what their type says, at a real Envoy before a real server: the caller's mistake, or no call."""

from __future__ import annotations

import struct
from typing import Final

import pytest

from tests.fakes.signer import Signer
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.written import only_answer, request

TYPES: Final = (
    *("application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web-text", "text/xml"),
    *("application/grpc+json", "application/json, application/grpc", "application/jsonx", "", "\t"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"),
)
EMPTY_MESSAGE: Final = struct.pack(">BI", 0, 0)
BODIES: Final = (
    *(EMPTY_MESSAGE, b"{}", b"", b"\xff\xfe{\0}\0", b"\0" * 10, b"[" * 5_000, b'{"a":' * 5_000, b'{"\xff":1}'),
)
FAULTS: Final = {b"2", b"13", b"15"}


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("path", ["/api/v1/orders", "/ordermesh.order.v1.OrderService/PlaceOrder"])
def test_a_body_is_what_its_type_says(guarded: Gateway, signer: Signer, path: str, type_: str) -> None:
    """Of gRPC to REST, of JSON to gRPC, none, two, strange ones: no fault, whoever calls."""
    headers = [f"content-type: {type_}"] if type_ else []
    for body in BODIES:
        for token in ("", signer.token()):
            status, answer = only_answer(guarded, request(f"POST {path}", *headers, body=body, token=token))
            told = answer.lower().partition(b"grpc-status: ")[2][:2].strip()
            assert status < 500, (body[:20], answer)
            # gRPC over HTTP/1.1 is none, nor are bytes that are no frame: services hang up, on that call alone.
            assert status >= 400 or told not in FAULTS, (body[:20], answer)
