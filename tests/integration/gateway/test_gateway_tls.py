"""TLS at a real Envoy."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest

from deploy.embedded.gateway_certificate import GatewayCertificate
from gateway.settings import Tls
from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import Upstream
from tests.integration.gateway.answers import ORDER
from tests.integration.gateway.conftest import ANYWHERE, Gateway, running_gateway, settings_for


@dataclass(frozen=True)
class Encrypted:
    """A gateway that listens with TLS, and what its callers trust."""

    gateway: Gateway
    authority: Path

    @property
    def address(self) -> str:
        """`host:port` of its TLS."""
        return self.gateway.addresses["gateway_tls"]

    def context(self) -> ssl.SSLContext:
        """What trusts its authority alone."""
        return ssl.create_default_context(cafile=str(self.authority))


@contextmanager
def listening(directory: Path, port: int, **settings: float) -> Iterator[Encrypted]:
    """Runs a gateway with TLS beside the plain one."""
    certificate = GatewayCertificate(directory / "gateway")
    certificate.make(dt.datetime.now(dt.UTC))
    tls = Tls(ANYWHERE, certificate.certificate, certificate.certificate)
    with running_gateway(directory, settings_for(port, tls=tls, **settings)) as running:
        yield Encrypted(running, certificate.authority)


@pytest.fixture(scope="module")
def encrypted(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """One for all who speak to it."""
    with listening(tmp_path_factory.mktemp("encrypted"), upstream.port) as running:
        yield running


def shaken(encrypted: Encrypted, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection after its handshake."""
    host, _, port = encrypted.address.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=20)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_rest_and_grpc_are_served_with_tls_and_without(encrypted: Encrypted) -> None:
    """All that the plain address serves, its own certificate verified."""
    for url, verify in ((encrypted.gateway.url, True), (f"https://{encrypted.address}", encrypted.context())):
        with httpx.Client(base_url=url, verify=verify) as client:
            assert client.post("/api/v1/orders", json=ORDER).status_code == 200
            assert client.get("/docs").status_code == 200
    credentials = grpc.ssl_channel_credentials(encrypted.authority.read_bytes())
    with grpc.secure_channel(encrypted.address, credentials) as channel:
        stub = order_service_pb2_grpc.OrderServiceStub(channel)
        answer = stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(client_order_id="tls"))
        assert answer.order.client_order_id == "tls"


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["h2"], "h2"), ([], None)]
)
def test_the_caller_chooses_the_protocol(encrypted: Encrypted, offered: list[str], chosen: str | None) -> None:
    """HTTP/2 where it knows it, HTTP/1.1 else."""
    context = encrypted.context()
    if offered:
        context.set_alpn_protocols(offered)
    with shaken(encrypted, context) as connection:
        assert connection.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_spoken(encrypted: Encrypted, version: ssl.TLSVersion) -> None:
    """1.2 and 1.3."""
    context = encrypted.context()
    context.minimum_version = context.maximum_version = version
    with shaken(encrypted, context) as connection:
        assert connection.version() == version.name.replace("_", ".")


def test_old_versions_are_not(encrypted: Encrypted) -> None:
    """1.1 ends in the handshake."""
    context = encrypted.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shaken(encrypted, context)


def test_others_do_not_trust_it(encrypted: Encrypted) -> None:
    """The authority is of this machine alone."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(encrypted, ssl.create_default_context())


def test_a_caller_that_does_not_shake_hands_is_let_go(tmp_path: Path, upstream: Upstream) -> None:
    """Within the time that a request's head has."""
    with listening(tmp_path, upstream.port, receive_timeout_seconds=1.0) as impatient:
        host, _, port = impatient.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as silent:
            assert silent.recv(1) == b""


def test_plain_words_get_no_answer(encrypted: Encrypted) -> None:
    """HTTP without TLS is not served there."""
    host, _, port = encrypted.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")
