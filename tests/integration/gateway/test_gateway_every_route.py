"""Bad input on every REST route there is: 400 with a status that names the field, whatever the route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from protovalidate import Validator

from gateway.tables import RestRoute, load_tables
from tests.fakes.gateway_contracts import REACHED, Contracts
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import fields, reason
from tests.integration.gateway.conftest import Gateway, settings_for

ROUTES = load_tables().routes
WITH_BODY = [route for route in ROUTES if route.body]
WITHOUT_BODY = [route for route in ROUTES if not route.body]
UNKNOWN = "no_such_field"
PLACE = "7"
"""What stands in places of paths: good for text and for numbers."""
SPECIAL = re.compile(r"google\.protobuf\.(?!Timestamp|Duration)")
# A value of another kind than the field's, by what it is in Python; strings are refused a number.
WRONG_KIND = {
    FieldDescriptor.CPPTYPE_STRING: 5,
    FieldDescriptor.CPPTYPE_BOOL: "maybe",
    FieldDescriptor.CPPTYPE_ENUM: "NO_SUCH_VALUE",
    FieldDescriptor.CPPTYPE_MESSAGE: 5,
}


@pytest.fixture(scope="module")
def contracts() -> Iterator[Contracts]:
    """Every service, of which only the constraints are real."""
    server = Contracts()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def every(contracts: Contracts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway before them."""
    running = Gateway(tmp_path_factory.mktemp("every"), settings_for(contracts.port))
    blocking_eventually(
        lambda: all(running.is_healthy(area) for area in load_tables().areas), "the services being healthy"
    )
    with http_clients.client(base_url=running.url, timeout=20) as client:
        yield client
    running.stop()


def named(route: RestRoute) -> str:
    """How a route is called in what pytest prints."""
    return f"{route.verb} {route.path}"


def message(name: str) -> Descriptor:
    """A message of the contracts."""
    found: Descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    return found


def path(route: RestRoute) -> str:
    """The route's path, with something in each place."""
    return re.sub(r"\{[^}]*\}", PLACE, route.path)


def body_of(route: RestRoute) -> tuple[Descriptor, str]:
    """The message that the body is, and what its fields' names begin with in answers."""
    whole = message(route.input)
    if route.body == "*":
        return whole, ""
    part = whole.fields_by_name[route.body].message_type
    assert part is not None
    return part, f"{route.body}."


def own_fields(route: RestRoute) -> list[FieldDescriptor]:
    """The fields that the body may hold."""
    return [field for field in body_of(route)[0].fields if field.name not in route.bound]


def send(every: httpx.Client, route: RestRoute, body: str | bytes) -> httpx.Response:
    """Sends a body."""
    return every.request(route.verb, path(route), content=body, headers={"content-type": "application/json"})


def refused(answer: httpx.Response, why: str, told: str | None, case: str) -> None:
    """Checks that an answer is 400 for a reason, and names a field."""
    assert answer.status_code == 400, (case, answer.text)
    assert answer.json()["code"] == 3, case
    assert reason(answer) == why, (case, answer.text)
    if told is not None:
        assert fields(answer) == [told], (case, answer.text)


def wrong(field: FieldDescriptor) -> Any:
    """A value that the field cannot have."""
    if field.is_repeated:
        return "x"
    return WRONG_KIND.get(field.cpp_type, "x")


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
def test_a_body_is_held_to_the_contract(every: httpx.Client, route: RestRoute) -> None:
    """Unknown fields, wrong kinds and bad enums are named, each field of each body."""
    _, prefix = body_of(route)
    refused(send(every, route, json.dumps({UNKNOWN: 1})), "UNKNOWN_FIELD", prefix + UNKNOWN, UNKNOWN)
    for field in own_fields(route):
        if field.message_type is not None and SPECIAL.match(field.message_type.full_name):
            continue
        for name in {field.name, field.json_name}:
            answer = send(every, route, json.dumps({name: wrong(field)}))
            refused(answer, "INVALID_FIELD", prefix + field.name, name)
        if field.enum_type is not None and not field.is_repeated:
            values: list[Any] = ["", "unspecified", 99, True, [], 1.5]
            for value in values:
                answer = send(every, route, json.dumps({field.name: value}))
                refused(answer, "INVALID_FIELD", prefix + field.name, f"{field.name}={value}")
        if field.message_type is not None and not field.is_repeated and "google" not in field.message_type.full_name:
            answer = send(every, route, json.dumps({field.name: {UNKNOWN: 1}}))
            refused(answer, "UNKNOWN_FIELD", f"{prefix}{field.name}.{UNKNOWN}", f"{field.name}.{UNKNOWN}")


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
def test_a_body_is_json(every: httpx.Client, route: RestRoute) -> None:
    """What is broken, said twice, too deep, or followed by more is refused, and so is another kind of body."""
    broken: list[str | bytes] = ["{", '{"', "[]", "null", "5", '"x"', "{} x", "{}{}", "{},", "nonsense", "[" * 5000]
    broken += [f'{{"{field.name}": null, "{field.name}": null}}' for field in own_fields(route)[:1]]
    broken.append(b'{"\xff": 1}')
    for text in broken:
        refused(send(every, route, text), "MALFORMED_JSON", None, str(text[:20]))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""):
        answer = every.request(route.verb, path(route), content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, reason(answer)) == (415, "MALFORMED_JSON"), kind


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
def test_what_the_path_holds_is_not_in_the_body(every: httpx.Client, route: RestRoute) -> None:
    """Nor is a query beside a body that is the whole request."""
    for name in route.bound if route.body == "*" else ():
        refused(send(every, route, json.dumps({name: "other"})), "INVALID_FIELD", name, name)
    query = every.request(route.verb, f"{path(route)}?{UNKNOWN}=1", json={})
    assert query.status_code == 400, query.text


@pytest.mark.parametrize("route", WITHOUT_BODY, ids=named)
def test_a_query_is_held_to_the_contract(every: httpx.Client, route: RestRoute) -> None:
    """Unknown parameters and values of another kind are named; a body is not taken."""
    answer = every.request(route.verb, path(route), params={UNKNOWN: "1"})
    refused(answer, "UNKNOWN_FIELD", UNKNOWN, UNKNOWN)
    for field in message(route.input).fields:
        if field.name in route.bound:
            answer = every.request(route.verb, path(route), params={field.name: "other"})
            refused(answer, "UNKNOWN_FIELD", field.name, field.name)
            continue
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            bad = f"{path(route)}?{field.name}=%ff"
        else:
            bad = f"{path(route)}?{field.name}=no_such_value"
        refused(every.request(route.verb, bad), "INVALID_FIELD", field.name, field.name)
    refused(send(every, route, "{}"), "MALFORMED_JSON", None, "a body")


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_what_is_missing_is_named(every: httpx.Client, route: RestRoute) -> None:
    """A request without what the contract wants is 400 and names fields; one that wants nothing reaches its service."""
    request = message_factory.GetMessageClass(message(route.input))()
    for name in route.bound:
        setattr(request, name, type(getattr(request, name))(PLACE))
    paths = [violation.proto.field for violation in Validator().collect_violations(request)]
    missing = {each.elements[0].field_name for each in paths if each is not None}
    for body in [b"", b"{}"] if route.body == "*" else [b""]:
        answer = send(every, route, body)
        if not missing:
            assert (answer.status_code, answer.json()["message"]) == (501, REACHED), answer.text
            continue
        assert (answer.status_code, reason(answer)) == (400, "INVALID_FIELD"), answer.text
        assert {field.split(".")[0].split("[")[0] for field in fields(answer)} >= missing - {""}, answer.text
