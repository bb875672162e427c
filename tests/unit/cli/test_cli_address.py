"""Where the command looks for the mesh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ordermesh.event.v1.event_log_service_pb2 import ReadEventsRequest
from ordermesh.event.v1.event_log_service_pb2_grpc import EventLogServiceStub, add_EventLogServiceServicer_to_server
from services.cli.address import NOWHERE, AddressError, Addresses, Where, find_mesh, host_port
from services.cli.app import app
from services.cli.failure import ExitCode
from services.kernel.errors import CodedError
from tests.fakes.certificates import SERVER, FakeCompany
from tests.fakes.mesh_servicers import Log
from tests.fixtures.serving import serving

GATEWAY = "ORDERMESH_GATEWAY_ADDRESS"
HERE = {GATEWAY: "h:1", "ORDERMESH_ORDER_ADDRESS": "h:2", "ORDERMESH_ENGINE_ADDRESS": "h:3"}


def mesh_file(directory: Path, **changed: Any) -> Path:
    """Writes what a running mesh writes."""
    state = {"supervisor": os.getpid(), "environment": HERE, "components": {"gateway": {}, "order": {}}, **changed}
    path = directory / "mesh.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def test_the_option_comes_first(tmp_path: Path) -> None:
    """`--address` wins over everything, and names the gateway."""
    found = find_mesh(Where("there:9"), HERE, mesh_file(tmp_path))
    assert found.of("order") == "there:9"
    assert found.services["engine"] == "h:3"


@pytest.mark.parametrize("told", ["127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"])
def test_an_address_may_be_copied_from_the_banner(told: str) -> None:
    """As host and port, or as the URL that is printed there."""
    assert host_port(told) == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ("https://mesh.example", "https://mesh.example:443"),
        ("https://mesh.example:8443/", "https://mesh.example:8443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_gateway_elsewhere_is_called_with_tls(told: str, where: str) -> None:
    """With `https://` before it, at the usual port unless another is named."""
    assert host_port(told) == where


@pytest.mark.parametrize(
    "told", ["garbage", "here:", "here:0", "here:70000", "ftp://here:80", "http://here", "http://here:80/api"]
)
def test_an_address_that_is_none_is_wrong_usage(told: str) -> None:
    """It is no mesh that is away: exit code 2, and how one looks."""
    outcome = CliRunner().invoke(app, ["status", "--address", told])
    assert outcome.exit_code == ExitCode.USAGE
    assert "HOST:PORT" in outcome.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_authority_of_the_local_mesh_is_found_by_itself(tmp_path: Path, host: str) -> None:
    """At its own address with TLS and no other; what the caller names, or the environment, counts more."""
    told = {"ORDERMESH_GATEWAY_TLS_ADDRESS": "127.0.0.1:9", "ORDERMESH_GATEWAY_TLS_AUTHORITY_FILE": "/own.pem"}
    path, named = mesh_file(tmp_path, environment={**HERE, **told}), Path("/named.pem")
    found = find_mesh(Where(f"https://{host}:9"), {}, path)
    assert (found.of("order"), found.encrypted, found.ca) == (f"{host}:9", True, Path("/own.pem"))
    assert found.name == f"https://{host}:9"
    for elsewhere in (f"https://{host}:8", "https://there.example:9"):
        assert find_mesh(Where(elsewhere), {}, path).ca is None
    assert find_mesh(Where(f"https://{host}:9", named), {}, path).ca == named
    variables = {"ORDERMESH_GATEWAY_ADDRESS": f"https://{host}:9", "ORDERMESH_GATEWAY_TLS_AUTHORITY_FILE": "/env.pem"}
    assert find_mesh(NOWHERE, variables, path).ca == Path("/env.pem")
    assert not find_mesh(Where(f"{host}:9"), variables, path).encrypted


@pytest.mark.parametrize("told", ["mesh.example:9", "http://mesh.example:9/", ""])
def test_an_authority_is_not_named_for_plain_text(tmp_path: Path, told: str) -> None:
    """Who names one believes that the tokens are encrypted: nothing is sent, wherever the address is said."""
    for where, variables in ((Where(told, Path("/ca.pem")), {}), (Where("", Path("/ca.pem")), {GATEWAY: told})):
        with pytest.raises(AddressError, match="nothing is encrypted"):
            find_mesh(where, variables, mesh_file(tmp_path))
    assert find_mesh(Where("", Path("/ca.pem")), {GATEWAY: "https://mesh.example"}).encrypted


def test_the_environment_says_an_address_as_the_option_does(tmp_path: Path) -> None:
    """Also as a URL, and without the usual port: a login is kept by the same name. What is none is told in a line."""
    for told, name in (
        ("https://mesh.example", "https://mesh.example:443"),
        ("https://mesh.example:8443/", "https://mesh.example:8443"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
    ):
        by_option = find_mesh(Where(host_port(told)), {}, mesh_file(tmp_path))
        assert find_mesh(NOWHERE, {GATEWAY: told}, mesh_file(tmp_path)) == by_option
        assert by_option.name == name
    wrong = {GATEWAY: "ftp://here:80"}
    with pytest.raises(AddressError, match=r"ORDERMESH_GATEWAY_ADDRESS: 'ftp://here:80' is not HOST:PORT"):
        find_mesh(NOWHERE, wrong)
    assert find_mesh(Where("there:1"), wrong).gateway == "there:1"


def test_what_cannot_be_said_of_a_mesh_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, whether an option says it or the environment."""
    authority = tmp_path / "ca.pem"
    authority.touch()
    outcome = CliRunner().invoke(app, ["status", "--address", "there:1", "--ca", str(authority)])
    assert (outcome.exit_code, "nothing is encrypted" in outcome.stderr) == (ExitCode.USAGE, True)
    monkeypatch.setenv(GATEWAY, "ftp://here:80")
    outcome = CliRunner().invoke(app, ["status"])
    assert (outcome.exit_code, "is not HOST:PORT" in outcome.stderr) == (ExitCode.USAGE, True)


def test_an_authority_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In a line, whether it was named on the command line or in the environment."""
    with pytest.raises(CodedError, match="cannot be read"):
        find_mesh(Where("https://there.example", tmp_path / "none.pem"), {}, mesh_file(tmp_path)).channels()
    outcome = CliRunner().invoke(app, ["status", "--address", "https://there.example", "--ca", str(tmp_path / "none")])
    assert outcome.exit_code == ExitCode.USAGE


def test_the_environment_comes_second(tmp_path: Path) -> None:
    """With a gateway everything goes through it; without one, each service is called where it is."""
    assert find_mesh(NOWHERE, {"ORDERMESH_GATEWAY_ADDRESS": "e:1"}, mesh_file(tmp_path)).of("order") == "e:1"
    direct = find_mesh(NOWHERE, {"ORDERMESH_ORDER_ADDRESS": "e:2"}, mesh_file(tmp_path))
    assert direct.of("order") == "e:2"
    with pytest.raises(CodedError, match="ORDERMESH_PORTFOLIO_ADDRESS"):
        direct.of("portfolio")


def test_the_mesh_of_the_checkout_comes_last(tmp_path: Path) -> None:
    """Its file says where it is; a mesh that runs without a gateway is called directly."""
    assert find_mesh(NOWHERE, {}, mesh_file(tmp_path)).of("order") == "h:1"
    assert find_mesh(NOWHERE, {}, mesh_file(tmp_path, components={"order": {}})).of("order") == "h:2"


@pytest.mark.parametrize(
    ("told", "goes"),
    [
        ("127.0.0.1:8080", True),
        ("127.9.9.9:8080", True),
        ("[::1]:8080", True),
        ("localhost:8080", True),
        ("https://mesh.example", True),
        ("mesh.example:8080", False),
        ("localhost.mesh.example:8080", False),
        ("192.0.2.1:8080", False),
        ("10.0.0.1:8080", False),
        ("[2001:db8::1]:8080", False),
    ],
)
async def test_nothing_goes_to_another_machine_in_plain_text(tmp_path: Path, told: str, goes: bool) -> None:
    """Neither tokens nor passwords, unless somebody says that nobody reads along; what stays on this machine may."""
    ways = [(Where(host_port(told)), {}), (NOWHERE, {GATEWAY: told})]
    if not told.startswith("https://"):
        ways.append((NOWHERE, {"ORDERMESH_ORDER_ADDRESS": told}))
    for where, variables in ways:
        if goes:
            await find_mesh(where, variables, mesh_file(tmp_path)).channels().close()
            continue
        for unsaid in ({}, {"ORDERMESH_PLAINTEXT_ANYWHERE": "false"}):
            with pytest.raises(AddressError, match=r"https://.*ORDERMESH_PLAINTEXT_ANYWHERE=true"):
                find_mesh(where, {**variables, **unsaid}, mesh_file(tmp_path)).channels()
        said = {**variables, "ORDERMESH_PLAINTEXT_ANYWHERE": "true"}
        await find_mesh(where, said, mesh_file(tmp_path)).channels().close()


def test_a_token_for_another_machine_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong usage, told in a line, before anybody is called."""
    monkeypatch.setenv("ORDERMESH_ACCESS_TOKEN", "secret-of-somebody")
    outcome = CliRunner().invoke(app, ["accounts", "--address", "192.0.2.1:8080"])
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (ExitCode.USAGE, 1)
    assert "192.0.2.1:8080 is on another machine" in outcome.stderr


async def test_the_mesh_of_the_checkout_is_on_this_machine(tmp_path: Path) -> None:
    """Whatever address it says that it listens at."""
    await find_mesh(NOWHERE, {}, mesh_file(tmp_path)).channels().close()


def test_a_mesh_that_does_not_run_is_told_as_such(tmp_path: Path) -> None:
    """No file, a file of a supervisor that is gone, and a file that is none: each says how to start one."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for path in (tmp_path / "none.json", mesh_file(tmp_path, supervisor=int(gone.stdout)), broken):
        with pytest.raises(CodedError, match="make run") as error:
            find_mesh(NOWHERE, {}, path)
        assert error.value.reason == "SERVICE_UNAVAILABLE"


def test_a_service_itself_is_found_beside_the_gateway() -> None:
    """What is not public is called directly; public services go through the gateway."""
    addresses = Addresses("g:1", {"engine": "e:2", "order": "o:3"})
    assert (addresses.directly("engine"), addresses.of("order"), addresses.directly("order")) == ("e:2", "g:1", "o:3")


async def test_services_are_called_with_the_certificate_that_is_named(tmp_path: Path) -> None:
    """The environment's, or that of the mesh of the checkout; one that cannot be read is told in a line."""
    company = FakeCompany(tmp_path / "tls")
    files = company.client("operator").files
    told = {
        "ORDERMESH_TLS_CERTIFICATE_FILE": str(files.certificate),
        "ORDERMESH_TLS_KEY_FILE": str(files.key),
        "ORDERMESH_TLS_AUTHORITY_FILE": str(files.authority),
    }
    async with serving(add_EventLogServiceServicer_to_server, Log(), certificate=company.service(SERVER)) as served:
        address = {"ORDERMESH_ORDER_ADDRESS": served.address}
        running = {"ORDERMESH_GATEWAY_ADDRESS": "h:1", **address, **told}
        path = mesh_file(tmp_path, components={"order": {}}, environment=running)
        for mesh in (find_mesh(NOWHERE, {**address, **told}), find_mesh(NOWHERE, {}, path)):
            channels = mesh.channels()
            stub: Any = EventLogServiceStub(channels.to(mesh.of("order")))
            assert (await stub.ReadEvents(ReadEventsRequest())).last_sequence == 1
            await channels.close()
    files.certificate.unlink()
    with pytest.raises(CodedError, match=r"operator\.pem cannot be used"):
        find_mesh(NOWHERE, {**address, **told}).channels()
    del told["ORDERMESH_TLS_KEY_FILE"]
    with pytest.raises(CodedError, match="one is not set"):
        find_mesh(NOWHERE, {**address, **told}).channels()
