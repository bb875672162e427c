"""Certificates as every authority on this machine makes them."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from deploy.embedded.authority import Authority
from deploy.embedded.gateway_certificate import GatewayCertificate
from deploy.embedded.issuer import AUTHORITY_LIFE, Pair

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def service(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate, and a service's of it."""
    authority = Authority(folder)
    authority.keep(["order"])
    return authority.certificate, authority.service("order")


def gateway(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate, and the gateway's of it."""
    certificate = GatewayCertificate(folder)
    certificate.make(dt.datetime.now(dt.UTC))
    return certificate.authority, certificate.certificate


@pytest.mark.parametrize("made", [service, gateway])
def test_who_is_strict_believes_it(tmp_path: Path, made: Callable[[Path], tuple[Path, Path]]) -> None:
    """With all that RFC 5280 wants of a certificate, which Python 3.13 and newer look at by themselves."""
    authority, own = made(tmp_path)
    caller = ssl.create_default_context(cafile=str(authority))
    caller.verify_flags |= ssl.VERIFY_X509_STRICT
    called = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    called.load_cert_chain(own)
    to_caller, to_called = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        caller.wrap_bio(to_caller, to_called, server_hostname="localhost"),
        called.wrap_bio(to_called, to_caller, server_side=True),
    )
    for end in ends * 2:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert [end.version() for end in ends] == ["TLSv1.3", "TLSv1.3"]
    assert ends[0].getpeercert()


def test_nothing_outlives_its_authority() -> None:
    """However long it is asked for."""
    authority = Pair.authority("a", NOW)
    issued = authority.issue("b", NOW, 2 * AUTHORITY_LIFE, [x509.DNSName("b")], [])
    assert issued.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_a_key_and_a_certificate_belong_together() -> None:
    """Those of two pairs are no pair; a key that wants a password is none."""
    first, second = (Pair.authority(name, NOW) for name in ("a", "b"))
    assert Pair.read(first.key_pem().encode(), first.pem().encode()).certificate == first.certificate
    with pytest.raises(ValueError, match="not that of the certificate"):
        Pair.read(first.key_pem().encode(), second.certificate_pem().encode())
    locked = first.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    with pytest.raises(ValueError, match="wants a password"):
        Pair.read(locked, first.certificate_pem().encode())
