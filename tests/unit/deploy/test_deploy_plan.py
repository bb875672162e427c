"""Ports and the table of parts."""

import os
import socket
from contextlib import ExitStack

import pytest

from deploy.embedded.errors import DeployError, PortInUseError
from deploy.embedded.plan import NAMES, SERVICES, Ports, services, with_needs
from deploy.embedded.ports import HOST, is_free, unused_port


def test_each_port_is_used_once() -> None:
    """No two parts share a port, and all of them lie in the hundred above the base."""
    numbers = list(Ports.from_base(9000).numbers.values())
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) == 9000
    assert max(numbers) < 9100


def test_unused_ports_can_be_listened_at_and_differ() -> None:
    """A port that was handed out is free, and not handed out again."""
    ports = [unused_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports)


def test_a_taken_port_is_told_with_its_holder_and_the_way_out() -> None:
    """The message names the port, the part, the process that holds it, and how to move."""
    ports = Ports.unused()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, ports.numbers["gateway"]))
        listener.listen()
        with pytest.raises(PortInUseError) as caught:
            ports.require_free(NAMES, "Do this to move.")
    message = str(caught.value)
    assert message.startswith(f"port {ports.numbers['gateway']} (gateway) is in use by ")
    assert f"(process {os.getpid()}, started in " in message
    assert message.endswith(". Do this to move.")


def test_not_every_port_of_another_mesh_is_listed() -> None:
    """Where a whole mesh holds the ports, the first of them say who it is."""
    ports = Ports.unused()
    with ExitStack() as held:
        for name in ("gateway", "postgres", "redis", "engine", "order"):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, ports.numbers[name]))
            listener.listen()
        with pytest.raises(PortInUseError) as caught:
            ports.require_free(NAMES, "Do this to move.")
    message = str(caught.value)
    assert message.count(" is in use by ") == 3
    assert message.endswith("; and 2 more. Do this to move.")


def test_only_the_ports_of_the_wanted_parts_have_to_be_free() -> None:
    """A taken port of a part that does not run is nobody's business."""
    ports = Ports.unused()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, ports.numbers["gateway"]))
        listener.listen()
        ports.require_free(("postgres", "redis", "order"), "")


def test_parts_bring_what_they_need() -> None:
    """Asking for one part gives the closure of its needs, in the order of the table."""
    assert with_needs(["system"]) == ("postgres", "redis", "system", "identity")
    assert with_needs(["broker"]) == ("postgres", "redis", "engine", "marketdata", "broker", "identity")


def test_an_unknown_part_is_refused() -> None:
    """A mistyped name is told, with the names that there are."""
    with pytest.raises(DeployError, match=r"no such part: odrer \(there are postgres, redis"):
        with_needs(["odrer"])


def test_the_environment_holds_addresses_under_the_names_services_read() -> None:
    """Each service finds itself and its peers under ORDERMESH_<NAME>_ADDRESS."""
    environment = Ports.from_base(9000).environment(["gateway", "order"])
    assert environment == {
        "ORDERMESH_GATEWAY_TLS_ADDRESS": "127.0.0.1:9007",
        "ORDERMESH_GATEWAY_ADDRESS": "127.0.0.1:9000",
        "ORDERMESH_GATEWAY_ADMIN_ADDRESS": "127.0.0.1:9001",
        "ORDERMESH_ORDER_ADDRESS": "127.0.0.1:9014",
        "ORDERMESH_ORDER_METRICS_ADDRESS": "127.0.0.1:9034",
    }


def test_every_shard_of_the_order_service_is_a_part() -> None:
    """They are asked for by one name, stand together, and bring what one brings."""
    assert with_needs(["order", "gateway"], shards=3)[-5:] == ("order", "order-1", "order-2", "identity", "gateway")
    assert [service.name for service in services(2) if service.module == "services.order"] == ["order", "order-1"]
    assert services(1) == SERVICES


def test_everybody_is_told_where_all_shards_are_and_each_shard_which_it_is() -> None:
    """In their order; what is told of one shard is as it was when there was but one."""
    ports = Ports.from_base(9000)
    told = ports.environment(["order", "order-1"])
    assert told == ports.environment(["order"]) | {
        "ORDERMESH_ORDER_SHARD_ADDRESSES": "127.0.0.1:9014,127.0.0.1:9051",
        "ORDERMESH_ORDER_SHARD_METRICS_ADDRESSES": "127.0.0.1:9034,127.0.0.1:9071",
    }
    assert ports.environment_of("order") == {}
    assert ports.environment_of("order-1") == {
        "ORDERMESH_ORDER_ADDRESS": "127.0.0.1:9051",
        "ORDERMESH_ORDER_METRICS_ADDRESS": "127.0.0.1:9071",
        "ORDERMESH_ORDER_SHARD": "1",
    }
