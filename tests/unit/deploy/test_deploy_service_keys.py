"""The keys that services prove with who they are, as whoever starts the mesh makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import Ports
from deploy.embedded.service_keys import ServiceKeys
from services.kernel.errors import CodedError
from services.mesh.access.caller import Caller
from services.mesh.access.peers import ServiceKeys as KnownKeys
from services.mesh.access.peers import ServiceTokens, read_private, read_public
from services.mesh.access.tokens import SERVICE_TYPE, Verifier
from services.mesh.config import ConfigurationError
from tests.fakes.clock import FakeClock


async def test_what_one_service_signs_the_others_verify(tmp_path: Path) -> None:
    """With the files alone; keys are kept, and who is no service any more is not known any more."""
    keys, clock = ServiceKeys(tmp_path / "services"), FakeClock()
    keys.make(["risk", "order"])
    kept = keys.private("order").read_bytes()
    keys.make(["order", "broker"])
    assert keys.private("order").read_bytes() == kept
    verifier = Verifier(KnownKeys(read_public(keys.public)), clock, type_=SERVICE_TYPE, read=Caller.service)
    token = ServiceTokens("order", read_private(keys.private("order")), clock).token("broker")
    assert (await verifier.verify(token, "broker")).name == "order"
    with pytest.raises(CodedError, match="INVALID_TOKEN"):
        await verifier.verify(ServiceTokens("risk", read_private(keys.private("risk")), clock).token("order"), "order")


def test_nobody_else_reads_them(tmp_path: Path) -> None:
    """The owner alone."""
    keys = ServiceKeys(tmp_path / "services")
    keys.make(["order"])
    assert [path.stat().st_mode & 0o777 for path in (keys.private("order"), keys.public)] == [0o600, 0o600]


def test_each_service_is_told_its_own(tmp_path: Path) -> None:
    """All shards of OrderService are one service to the others."""
    local = LocalMesh.at(tmp_path, Ports.unused(), ["order"], shards=2)
    told = {
        part.name: part.command.environment for part in local.components() if part.name.startswith(("order", "risk"))
    }
    for name, service in (("order", "order"), ("order-1", "order"), ("risk", "risk")):
        variable = f"ORDERMESH_{service.upper()}_SERVICE_KEY_FILE"
        assert told[name][variable] == str(tmp_path / "services" / f"{service}.key")
        assert told[name]["ORDERMESH_SERVICE_KEYS_FILE"] == str(tmp_path / "services" / "services.json")
        assert [key for key in told[name] if key.endswith("_SERVICE_KEY_FILE")] == [variable]


@pytest.mark.parametrize("text", ["", "nothing", "{}", '{"keys": []}', '{"keys": [{"alg": "ES256"}]}', '{"keys": 7}'])
def test_a_file_without_keys_is_told_before_anything_starts(tmp_path: Path, text: str) -> None:
    """In one line that names it."""
    path = tmp_path / "services.json"
    path.write_text(text)
    for read in (read_public, read_private):
        with pytest.raises(ConfigurationError, match=r"services\.json"):
            read(path)
