"""Which services reflection tells of."""

from __future__ import annotations

from gateway.tables import load_tables
from services.system.public import public_services


def test_reflection_tells_of_the_services_that_the_gateway_routes() -> None:
    """Of each, and of no other."""
    assert sorted(public_services()) == sorted(service.name for service in load_tables().services)
