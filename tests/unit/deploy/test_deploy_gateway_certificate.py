"""The certificate of the gateway on one machine."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from deploy.embedded.errors import DeployError
from deploy.embedded.gateway_certificate import LIFE, GatewayCertificate
from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import Ports

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def made(folder: Path, now: dt.datetime = NOW) -> GatewayCertificate:
    """A certificate made in a folder."""
    certificate = GatewayCertificate(folder)
    certificate.make(now)
    return certificate


def test_it_is_for_this_machine_and_of_the_authority(tmp_path: Path) -> None:
    """By name and by number; callers trust the authority alone."""
    certificate = made(tmp_path)
    authority = x509.load_pem_x509_certificate(certificate.authority.read_bytes())
    leaf = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    leaf.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    ssl.create_default_context(cafile=str(certificate.authority))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate.certificate)


def test_nobody_else_reads_the_keys(tmp_path: Path) -> None:
    """The owner alone."""
    made(tmp_path)
    files = list(tmp_path.iterdir())
    assert {path.name for path in files if "PRIVATE KEY" in path.read_text()} == {"authority.key", "gateway.pem"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_it_is_kept_until_its_end_is_near(tmp_path: Path) -> None:
    """Then it is made anew, of the same authority: what callers trust stays."""
    certificate = made(tmp_path)
    authority, leaf = certificate.authority.read_bytes(), certificate.certificate.read_bytes()
    made(tmp_path, NOW + dt.timedelta(days=100))
    assert certificate.certificate.read_bytes() == leaf
    made(tmp_path, NOW + LIFE - dt.timedelta(days=30))
    assert certificate.certificate.read_bytes() != leaf
    assert certificate.authority.read_bytes() == authority


def test_a_lost_key_is_made_anew(tmp_path: Path) -> None:
    """With the certificate that goes with it; a lost authority takes all with it."""
    certificate = made(tmp_path)
    key, mark, shown = certificate.certificate.read_text().partition("-----BEGIN CERTIFICATE-----")
    another, _, _ = made(tmp_path / "another").certificate.read_text().partition(mark)
    for content in (mark + shown, another + mark + shown, "nonsense"):
        certificate.certificate.write_text(content)
        made(tmp_path)
        assert key not in certificate.certificate.read_text()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate.certificate)
    (tmp_path / "authority.key").unlink()
    authority = x509.load_pem_x509_certificate(made(tmp_path).authority.read_bytes())
    x509.load_pem_x509_certificate(certificate.certificate.read_bytes()).verify_directly_issued_by(authority)


@pytest.mark.parametrize("file", ["authority.pem", "authority.key"])
def test_an_authority_that_is_none_is_told(tmp_path: Path, file: str) -> None:
    """Nobody gets a certificate of another one instead, which callers would not believe."""
    made(tmp_path)
    made(tmp_path / "another")
    for content in ("nonsense", (tmp_path / "another" / file).read_text()):
        (tmp_path / file).write_text(content)
        with pytest.raises(DeployError, match="holds no authority"):
            made(tmp_path)


def test_the_gateway_listens_with_it(tmp_path: Path) -> None:
    """At a port of its own, on the loopback interface."""
    mesh = LocalMesh.at(tmp_path, Ports.from_base(9000), ["gateway"])
    assert mesh.addresses()["ORDERMESH_GATEWAY_TLS_ADDRESS"] == "127.0.0.1:9007"
    assert mesh.gateway_certificate.environment() == {
        "ORDERMESH_GATEWAY_TLS_CERTIFICATE_FILE": str(tmp_path / "gateway" / "gateway.pem"),
        "ORDERMESH_GATEWAY_TLS_KEY_FILE": str(tmp_path / "gateway" / "gateway.pem"),
    }
