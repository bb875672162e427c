"""The wiring of a mesh on one machine, without starting it."""

import stat
from pathlib import Path

import pytest

from deploy.embedded import local_mesh
from deploy.embedded.accounts import let_through
from deploy.embedded.banner import banner
from deploy.embedded.errors import DeployError
from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import NAMES, Ports
from deploy.embedded.process import Account
from deploy.embedded.supervisor import Supervisor


def _mesh(directory: Path, *names: str, **settings: str) -> LocalMesh:
    return LocalMesh.at(directory, Ports.from_base(9000), names or NAMES, settings)


def test_every_part_can_be_made_and_what_each_needs_is_there(tmp_path: Path) -> None:
    """The whole table turns into components whose needs meet one another; each logs to a file of its own."""
    components = _mesh(tmp_path).components()
    Supervisor(components)
    assert tuple(component.name for component in components) == NAMES
    assert len({component.command.log for component in components}) == len(NAMES)


def test_services_learn_addresses_and_secrets_and_the_world_addresses_alone(tmp_path: Path) -> None:
    """Processes get the URLs of the stores with their passwords; the addresses told to others hold none."""
    mesh = _mesh(tmp_path)
    environment = mesh.environment()
    assert environment["ORDERMESH_ORDER_ADDRESS"] == "127.0.0.1:9014"
    assert mesh.postgres.password in environment["ORDERMESH_POSTGRES_URL"]
    assert mesh.redis.password in environment["ORDERMESH_REDIS_URL"]
    assert set(mesh.addresses()) < set(environment)
    assert not any(secret in str(mesh.addresses()) for secret in (mesh.postgres.password, mesh.redis.password))


def test_nobody_looks_for_the_simulated_market_where_it_does_not_run(tmp_path: Path) -> None:
    """Other parts keep an address when they do not run; the simulated market has one only when it does."""
    addresses = _mesh(tmp_path, "order").addresses()
    assert "ORDERMESH_PORTFOLIO_ADDRESS" in addresses
    assert "ORDERMESH_MARKET_ADDRESS" not in addresses
    assert "ORDERMESH_MARKET_ADDRESS" in _mesh(tmp_path, "market").addresses()


def test_settings_reach_every_process(tmp_path: Path) -> None:
    """A setting given for the mesh is in the environment of the services and of the engine."""
    mesh = _mesh(tmp_path, "engine", "marketdata", ORDERMESH_MARKET_SEED="7")
    commands = {component.name: component.command for component in mesh.components()}
    assert commands["engine"].environment["ORDERMESH_MARKET_SEED"] == "7"
    assert commands["marketdata"].environment["ORDERMESH_MARKET_SEED"] == "7"


def test_every_service_looks_at_who_calls_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a setting that is given for this very mesh says otherwise."""
    monkeypatch.setenv("ORDERMESH_ENFORCE_ACCESS", "false")
    for component in _mesh(tmp_path).components():
        if component.command.arguments[1:2] == ("-m",):
            assert component.command.environment["ORDERMESH_ENFORCE_ACCESS"] == "true", component.name
    unguarded = _mesh(tmp_path, ORDERMESH_ENFORCE_ACCESS="false")
    assert unguarded.environment()["ORDERMESH_ENFORCE_ACCESS"] == "false"


async def test_an_engine_that_is_not_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which command builds it."""
    monkeypatch.setattr(local_mesh, "ENGINE", tmp_path / "missing")
    with pytest.raises(DeployError, match="`make engine` builds it"):
        await Supervisor(_mesh(tmp_path, "engine").components()).start()


def test_the_banner_shows_real_addresses(tmp_path: Path) -> None:
    """Whoever copies from the banner reaches the running mesh; without the order path there is nothing to copy."""
    text = banner(_mesh(tmp_path))
    assert "curl -s http://127.0.0.1:9000/api/v1/orders" in text
    assert text.count('-H "authorization: Bearer $(.venv/bin/ordermesh token --address 127.0.0.1:9000)"') == 2
    assert ".venv/bin/ordermesh login --username demo --address 127.0.0.1:9000" in text
    assert f"{tmp_path.resolve()}/logs/<name>.log" in text
    assert ".venv/bin/ordermesh order buy AAPL.XNAS 10 --address 127.0.0.1:9000 && " in text
    assert "curl" not in banner(_mesh(tmp_path, "redis"))


def test_everything_that_is_kept_lies_in_the_folder_of_the_mesh(tmp_path: Path) -> None:
    """Two meshes of one checkout in folders of their own share nothing, not even the key of broker credentials."""
    told = _mesh(tmp_path).environment()["ORDERMESH_BROKER_CREDENTIALS_KEY_FILE"]
    assert Path(told).is_relative_to(tmp_path.resolve())


def test_only_folders_in_the_way_of_another_user_are_opened_and_only_to_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed folder above the data may be passed through afterwards, not listed, and a note tells it."""
    closed, opened = tmp_path / "closed", tmp_path / "closed" / "open"
    opened.mkdir(parents=True)
    opened.chmod(0o755)
    closed.chmod(0o700)
    let_through(Account("nobody", 65_534, 65_534), opened / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert stat.S_IMODE(opened.stat().st_mode) == 0o755
    assert f"{closed} may now be passed through" in capsys.readouterr().err


def test_a_mesh_may_have_several_shards(tmp_path: Path) -> None:
    """Each is a process with a log file of its own, told which it is; the gateway waits for all."""
    mesh = LocalMesh.at(tmp_path, Ports.from_base(9000), shards=2)
    components = {component.name: component for component in mesh.components()}
    first, second = (components[name].command.environment for name in ("order", "order-1"))
    assert second == dict(first) | {
        "ORDERMESH_ORDER_ADDRESS": "127.0.0.1:9051",
        "ORDERMESH_ORDER_METRICS_ADDRESS": "127.0.0.1:9071",
        "ORDERMESH_ORDER_SHARD": "1",
    }
    assert components["order-1"].command.log.name == "order-1.log"
    assert {"order", "order-1"} <= set(components["gateway"].needs)


@pytest.mark.parametrize("shards", [0, 9])
def test_a_number_of_shards_that_cannot_be_is_refused(tmp_path: Path, shards: int) -> None:
    """There are ports for eight."""
    with pytest.raises(DeployError, match=f"1 to 8 shards of OrderService on one machine, not {shards}"):
        LocalMesh.at(tmp_path, Ports.from_base(9000), shards=shards)


def test_envoy_is_administered_at_a_socket_of_the_run_folder(tmp_path: Path) -> None:
    """Everybody is told; where the path is longer than that of a socket may be, it is a port, as it was."""
    mesh = _mesh(tmp_path)
    assert mesh.environment()["ORDERMESH_GATEWAY_ADMIN_ADDRESS"] == f"unix:{mesh.run}/gateway-admin.sock"
    assert mesh.access_log.admin_address == mesh.gateway_admin
    deep = _mesh(tmp_path / ("d" * 100))
    assert deep.environment()["ORDERMESH_GATEWAY_ADMIN_ADDRESS"] == deep.ports.address("gateway_admin")
