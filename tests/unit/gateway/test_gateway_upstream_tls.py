"""What the gateway shows to services, and whom it believes to be one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import render as command
from gateway.render import render
from gateway.settings import Certificate, SettingsError
from gateway.tables import load_tables
from tests.unit.gateway.configurations import SETTINGS, TABLES

CERTIFICATE = Certificate(Path("/tls/gateway.pem"), Path("/tls/gateway.pem"), Path("/tls/authority.pem"))


def test_each_service_must_have_its_own_name_in_its_certificate() -> None:
    """Whoever listens at the address of another is not called."""
    settings = replace(SETTINGS, upstream_certificate=CERTIFICATE)
    clusters = json.loads(render(settings, TABLES, Path("/run/envoy.json")))["static_resources"]["clusters"]
    for cluster in clusters:
        context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
        assert context["validation_context"] == {
            "trusted_ca": {"filename": "/tls/authority.pem"},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": cluster["name"]}}],
        }
        [source] = context["tls_certificate_sds_secret_configs"]
        assert source["sds_config"]["path_config_source"] == {"path": "/run/envoy.secrets.json"}
    assert [cluster["name"] for cluster in clusters] == ["order", "system"]
    assert "transport_socket" not in render(SETTINGS, TABLES)
    with pytest.raises(SettingsError, match="say where with --output"):
        render(settings, TABLES)


def test_where_the_certificate_is_stands_in_a_file_that_envoy_watches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds no key; without an output file there is no place for it."""
    tables = load_tables()
    for area in tables.areas:
        monkeypatch.setenv(f"ORDERMESH_{area.upper()}_ADDRESS", "127.0.0.1:1")
    own, authority = tmp_path / "tls" / "gateway.pem", tmp_path / "tls" / "authority.pem"
    own.parent.mkdir()
    own.touch()
    for part in ("CERTIFICATE", "KEY"):
        monkeypatch.setenv(f"ORDERMESH_GATEWAY_UPSTREAM_{part}_FILE", str(own))
    output = tmp_path / "envoy.json"
    assert command.main(["--output", str(output)]) == 2
    assert "ORDERMESH_GATEWAY_UPSTREAM_AUTHORITY_FILE is not set" in capsys.readouterr().err
    monkeypatch.setenv("ORDERMESH_GATEWAY_UPSTREAM_AUTHORITY_FILE", str(authority))
    assert command.main(["--output", str(output)]) == 2
    assert f"UPSTREAM_AUTHORITY_FILE is '{authority}': expected a file" in capsys.readouterr().err
    authority.touch()
    assert command.main(["--output", str(output)]) == 0
    [secret] = json.loads((tmp_path / "envoy.secrets.json").read_text())["resources"]
    assert secret["tls_certificate"] == {
        "certificate_chain": {"filename": str(own)},
        "private_key": {"filename": str(own)},
        "watched_directory": {"path": str(own.parent)},
    }
    capsys.readouterr()
    assert command.main([]) == 2
    told = capsys.readouterr()
    assert (told.out, "say where with --output" in told.err) == ("", True)
