"""Where calls come from, the numbers of the contract, and passwords off the event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import pytest

from ordermesh.identity.v1 import user_pb2
from ordermesh.type.v1 import trading_pb2
from services.identity.crypto.passwords import Argon2Passwords, Parameters
from services.identity.domain.values import Environment, Role, Scope
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.access.certificates import CLIENT, SERVICE
from services.mesh.addresses import CallerAddresses
from tests.fixtures.waiting import eventually

PROXIES = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


def context(peer: str, *metadata: tuple[str, str], certificate: str = "") -> Any:
    """Returns the context of a call, by an encrypted connection where there is a certificate."""
    told = {"transport_security_type": [b"ssl"], "peer_spiffe_id": [certificate.encode()]} if certificate else {}
    return SimpleNamespace(peer=lambda: peer, invocation_metadata=lambda: metadata, auth_context=lambda: told)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("ipv4:192.0.2.1:50000", (), "192.0.2.1"),
        ("ipv4:192.0.2.1:50000", ("198.51.100.1",), "192.0.2.1"),
        ("ipv4:127.0.0.1:50000", ("198.51.100.1",), "198.51.100.1"),
        ("ipv4:127.0.0.1:50000", ("198.51.100.1", "1.1.1.1"), "127.0.0.1"),
        ("ipv4:127.0.0.1:50000", ("1.1.1.1, 198.51.100.1",), "127.0.0.1"),
        ("ipv4:127.0.0.1:50000", ("nonsense",), "127.0.0.1"),
        ("ipv4:127.0.0.1:50000", ("[2001:db8::1]",), "2001:db8::1"),
        ("ipv4:127.0.0.1:50000", (), "127.0.0.1"),
        ("ipv6:%5B::1%5D:50000", ("2001:db8::1",), "2001:db8::1"),
        ("ipv6:[2001:db8::2]:50000", ("2001:db8::1",), "2001:db8::2"),
        ("ipv6:[::ffff:192.0.2.1]:50000", (), "192.0.2.1"),
        ("unix:/run/socket", ("198.51.100.1",), ""),
        ("", (), ""),
    ],
)
def test_a_caller_is_where_a_gateway_of_ours_says(peer: str, forwarded: tuple[str, ...], address: str) -> None:
    """What anybody else says does not count."""
    metadata = [("x-ordermesh-caller-address", value) for value in forwarded]
    assert CallerAddresses(PROXIES).of(context(peer, *metadata)) == address


@pytest.mark.parametrize(
    ("certificate", "address"),
    [
        (f"{SERVICE}gateway", "198.51.100.1"),
        (f"{SERVICE}order", "127.0.0.1"),
        (f"{CLIENT}gateway", "127.0.0.1"),
        ("spiffe://elsewhere.dev/service/gateway", "127.0.0.1"),
    ],
)
def test_where_connections_are_encrypted_the_gateway_alone_says_it(certificate: str, address: str) -> None:
    """Whoever else calls from this machine is where they are; the gateway counts wherever it is."""
    said = ("x-ordermesh-caller-address", "198.51.100.1")
    addresses = CallerAddresses(PROXIES)
    assert addresses.of(context("ipv4:127.0.0.1:50000", said, certificate=certificate)) == address
    gateway = f"{SERVICE}gateway"
    assert addresses.of(context("ipv4:203.0.113.7:50000", said, certificate=gateway)) == "198.51.100.1"


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Role, user_pb2.Role, "ROLE_"),
        (Scope, user_pb2.Scope, "SCOPE_"),
        (Environment, trading_pb2.Environment, "ENVIRONMENT_"),
    ],
)
def test_numbers_are_those_of_the_contract(ours: type[IntEnum], theirs: Any, prefix: str) -> None:
    """Value for value, but for the one that says nothing."""
    told = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
    assert {each.name: each.value for each in ours} == told


PARAMETERS = Parameters(time_cost=1, memory_kib=8, parallelism=1, at_once=2, most_waiting=3)


async def test_passwords_are_hashed_by_argon2id_and_verified() -> None:
    """Twice the same password makes two hashes; without a hash nothing is right."""
    passwords = Argon2Passwords(PARAMETERS)
    first, second = await passwords.hash("secret"), await passwords.hash("secret")
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert await passwords.verify(first, "secret")
    assert not await passwords.verify(first, "other")
    assert not await passwords.verify(None, "secret")
    assert not await passwords.verify("no hash", "secret")
    assert passwords.operations == 6
    assert not passwords.outdated(first)
    costlier = Argon2Passwords(Parameters(2, 8, 1, 1, 1))
    assert costlier.outdated(first)
    await passwords.close()
    await costlier.close()


async def test_no_more_are_hashed_at_once_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time while three wait, off the event loop; the next is refused, and told to try again."""
    passwords = Argon2Passwords(PARAMETERS)
    let, running, most = threading.Event(), list[int](), list[int]()
    lock = threading.Lock()

    def work(stored: str, _password: str) -> bool:
        with lock:
            running.append(1)
            most.append(len(running))
        let.wait(10)
        with lock:
            running.pop()
        return stored == "right"

    slow: Callable[[str, str], bool] = work
    monkeypatch.setattr(passwords, "_matches", slow)
    waiting = [asyncio.create_task(passwords.verify("right", "x")) for _ in range(5)]
    await eventually(lambda: most, lambda begun: len(begun) >= 2)
    with pytest.raises(CodedError) as refused:
        await passwords.verify("right", "x")
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.EXHAUSTED, "OVERLOADED")
    assert refused.value.retry_after_seconds == 1
    waiting[0].cancel()
    let.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[1:] == [True] * 4
    assert isinstance(results[0], asyncio.CancelledError)
    await passwords.close()
    assert max(most) == 2
    await asyncio.sleep(0)
    assert passwords.in_hand == 0
