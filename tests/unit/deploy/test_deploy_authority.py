"""The local authority: what it issues, to whom, and when anew."""

from __future__ import annotations

import asyncio
import datetime as dt
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.embedded.__main__ import main
from deploy.embedded.authority import Authority
from deploy.embedded.certificates import NAMES, OPERATOR, SUPERVISOR, Certificates
from deploy.embedded.errors import DeployError
from deploy.embedded.issuer import Pair
from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import Ports
from ordermesh.event.v1.event_log_service_pb2 import ReadEventsRequest
from ordermesh.event.v1.event_log_service_pb2_grpc import EventLogServiceStub, add_EventLogServiceServicer_to_server
from services.mesh.access.certificates import CLIENT, SERVICE
from services.mesh.certificate import Certificate
from tests.fakes.certificates import SERVER, FakeCompany
from tests.fakes.mesh_servicers import Log
from tests.fixtures.serving import serving
from tests.fixtures.waiting import eventually

HOUR = dt.timedelta(hours=1)
YEAR = dt.timedelta(days=365)


def read(path: Path) -> x509.Certificate:
    """Returns the certificate in a file."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    """Returns the names that a certificate is good for."""
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def uses(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    """Returns what a certificate is for."""
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_service_is_called_by_its_name_and_proves_it(tmp_path: Path) -> None:
    """Both sides of a connection find what they look for; the certificate is the authority's, and lives a day."""
    authority = Authority(tmp_path / "tls")
    authority.keep(["order"])
    certificate = read(authority.service("order"))
    certificate.verify_directly_issued_by(read(authority.certificate))
    assert names(certificate).get_values_for_type(x509.UniformResourceIdentifier) == [f"{SERVICE}order"]
    assert names(certificate).get_values_for_type(x509.DNSName) == ["order", "localhost"]
    assert [str(each) for each in names(certificate).get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert uses(certificate) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=23) < left <= dt.timedelta(days=1)
    # For a clock that steps back, too, and for one that was behind when the authority was made.
    for each in (certificate, read(authority.certificate)):
        assert each.not_valid_before_utc < dt.datetime.now(dt.UTC) - dt.timedelta(hours=23)


def test_a_broken_certificate_of_the_authority_is_written_again(tmp_path: Path) -> None:
    """Whatever stands in its place, be it no text: it is made of what is beside the key."""
    authority = Authority(tmp_path)
    authority.keep(["order"])
    whole = authority.certificate.read_bytes()
    authority.certificate.write_bytes(b"\xff" + whole)
    authority.keep(["order"])
    assert authority.certificate.read_bytes() == whole


def test_a_client_is_no_server_and_no_service(tmp_path: Path) -> None:
    """Whatever its name is, nobody takes it for the service of that name."""
    certificate = read(Authority(tmp_path).issue_client("order", HOUR))
    assert names(certificate).get_values_for_type(x509.UniformResourceIdentifier) == [f"{CLIENT}order"]
    assert names(certificate).get_values_for_type(x509.DNSName) == []
    assert uses(certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH}


@pytest.mark.parametrize("name", ["", "../order", "Desk", "a" * 41, "a b", "-a"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """What is no name is refused, and nothing is written."""
    with pytest.raises(DeployError, match="no name of a client"):
        Authority(tmp_path / "tls").issue_client(name, HOUR)
    assert not (tmp_path / "tls").exists()


def test_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    """The folder can be entered by nobody else, and no file be read."""
    certificates = Certificates.at(tmp_path / "tls")
    certificates.keep()
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    files = [path for path in (tmp_path / "tls").rglob("*") if path.is_file()]
    assert len(files) == len((*NAMES, SUPERVISOR, OPERATOR)) + 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_certificates_are_issued_anew_when_half_of_their_life_is_over(tmp_path: Path) -> None:
    """Not before; with a new key each time; those of another life, or another authority, at once."""
    authority = Authority(tmp_path)
    authority.keep(["order"])
    first = authority.service("order").read_bytes()
    authority.keep(["order"])
    assert authority.service("order").read_bytes() == first
    Authority(tmp_path, dt.timedelta(hours=49)).keep(["order"])
    second = read(authority.service("order"))
    assert second.public_key() != x509.load_pem_x509_certificate(first).public_key()
    authority.key.unlink()
    authority.keep(["order"])
    third = read(authority.service("order"))
    third.verify_directly_issued_by(read(authority.certificate))
    operators = Certificates(authority)
    operators.keep()
    authority.client(OPERATOR).write_bytes(first)
    operators.keep()
    read(authority.client(OPERATOR)).verify_directly_issued_by(read(authority.certificate))
    authority.service("order").write_text("nonsense")
    authority.keep(["order"])
    read(authority.service("order")).verify_directly_issued_by(read(authority.certificate))


def older(folder: Path, years: float) -> Authority:
    """Returns an authority that was made so many years ago."""
    authority = Authority(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority.key.write_text(Pair.authority("Ordermesh local authority", dt.datetime.now(dt.UTC) - years * YEAR).pem())
    return authority


def believed(authority: Authority) -> list[x509.Certificate]:
    """Returns the authorities that everybody believes."""
    return x509.load_pem_x509_certificates(authority.certificate.read_bytes())


def test_an_authority_is_followed_by_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Believed a year before it issues; what the first has issued is good until that ends. Nobody is told twice."""
    authority = older(tmp_path, 7.9)
    authority.keep(["order"])
    first = read(authority.certificate)
    assert believed(authority) == [first]
    assert capsys.readouterr().err == ""
    content = older(tmp_path, 8.1).key.read_bytes()
    for _ in range(2):
        authority.keep(["order"])
    told = capsys.readouterr().err
    assert told.count("another follows") == 1
    assert str(authority.certificate) in told
    own, following = believed(authority)
    assert (authority.key.read_bytes(), read(authority.next_key)) == (content, following)
    read(authority.service("order")).verify_directly_issued_by(own)
    client = authority.issue_client("desk", YEAR)

    # A year passes.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deploy.embedded.authority.FOLLOWED", 0.195)
        authority.keep(["order"])
    assert believed(authority) == [following, own]
    read(authority.service("order")).verify_directly_issued_by(following)
    read(client).verify_directly_issued_by(own)
    assert not authority.next_key.exists()
    files = (authority.key, authority.certificate, authority.service("order"))
    before = [path.read_bytes() for path in files]
    authority.keep(["order"])
    assert [path.read_bytes() for path in files] == before
    assert capsys.readouterr().err == ""


def test_an_authority_that_has_ended_is_followed_at_once(tmp_path: Path) -> None:
    """As at the start of a mesh that nobody has started for years; nobody believes the first one any more."""
    authority = older(tmp_path, 11)
    authority.keep(["order"])
    (own,) = believed(authority)
    assert own.not_valid_after_utc > dt.datetime.now(dt.UTC) + 9 * YEAR
    read(authority.service("order")).verify_directly_issued_by(own)


def test_what_was_broken_off_is_done_again(tmp_path: Path) -> None:
    """The next authority issues, and its own file was not removed: the one that follows it, years later, is another."""
    authority = older(tmp_path, 8.1)
    authority.next_key.write_bytes(authority.key.read_bytes())
    authority.keep(["order"])
    own, following = believed(authority)
    assert own != following
    read(authority.service("order")).verify_directly_issued_by(own)


async def test_parts_of_both_authorities_believe_each_other(tmp_path: Path) -> None:
    """A client with a certificate of the first one calls a server with one of the next, and the other way round."""
    company = FakeCompany(tmp_path)
    older(tmp_path, 8.5)
    early = {name: company.service(name) for name in (SERVER, "order")}
    texts = {name: Authority(tmp_path).service(name).read_bytes() for name in early}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deploy.embedded.authority.FOLLOWED", 0.16)
        late = {name: company.service(name) for name in early}
    first, following = believed(Authority(tmp_path))
    assert first != following
    for name, text in texts.items():
        (tmp_path / f"early-{name}.pem").write_bytes(text)
        early[name] = Certificate(company.files(tmp_path / f"early-{name}.pem"))
    for server, client in ((early, late), (late, early)):
        async with serving(
            add_EventLogServiceServicer_to_server, Log(), certificate=server[SERVER], as_=client["order"]
        ) as served:
            stub: Any = EventLogServiceStub(served.channel)
            assert await stub.ReadEvents(ReadEventsRequest()) is not None


def test_an_authority_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """Nobody gets a certificate of another one instead, which the rest would not believe."""
    authority = Authority(tmp_path)
    for content in ("nonsense", ""):
        authority.key.write_text(content)
        with pytest.raises(DeployError, match="holds no authority"):
            authority.keep(["order"])


async def test_certificates_are_kept_fresh_also_after_they_could_not_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be issued now is told, and issued as soon as it can be; nothing of the mesh ends by it."""
    certificates = Certificates(Authority(tmp_path / "tls", dt.timedelta(milliseconds=80)))
    (tmp_path / "tls").write_text("in the way")
    keeping = asyncio.create_task(certificates.keep_fresh())
    await eventually(lambda: capsys.readouterr().err, lambda told: "cannot be issued now" in told)
    (tmp_path / "tls").unlink()
    issued = certificates.authority.service("risk")
    await eventually(issued.exists)
    first = issued.read_bytes()
    await eventually(issued.read_bytes, lambda now: now != first)
    keeping.cancel()


def test_each_part_is_told_its_own_certificate_alone(tmp_path: Path) -> None:
    """Shards of a service have the same name; the operator's is told to the command."""
    mesh = LocalMesh.at(tmp_path, Ports.from_base(9000), shards=2)
    told = {component.name: component.command.environment for component in mesh.components()}
    tls = tmp_path / "tls"
    for part, name in (("order", "order"), ("order-1", "order"), ("risk", "risk")):
        files = {value for variable, value in told[part].items() if "TLS_" in variable and "_FILE" in variable}
        assert files == {str(tls / f"{name}.pem"), str(tls / "authority.pem")}
    engine = next(component for component in mesh.components() if component.name == "engine")
    assert f"--tls-certificate={tls / 'engine.pem'}" in engine.command.arguments
    command = mesh.certificates.command()
    assert command["ORDERMESH_TLS_CERTIFICATE_FILE"] == str(tls / "clients" / f"{OPERATOR}.pem")


def test_a_client_is_issued_to_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells where the files are; a name that is none is refused in a line."""
    assert main(["certificate", "desk-7", "--days", "2", "--directory", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    file = tmp_path / "tls" / "clients" / "desk-7.pem"
    assert str(file) in shown
    assert "PRIVATE" not in shown
    left = read(file).not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=1) < left <= dt.timedelta(days=2)
    assert main(["certificate", "../x", "--directory", str(tmp_path)]) == 1
    for wrong in (["operator"], ["desk", "--days", "0"], ["desk", "--days", "x"]):
        with pytest.raises(SystemExit):
            main(["certificate", *wrong, "--directory", str(tmp_path)])
