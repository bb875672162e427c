"""Envoy's own opinion of the rendered configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.render import render
from gateway.settings import Address, Settings
from tests.integration.gateway.conftest import ENVOY, settings_for


@pytest.mark.parametrize(
    "settings",
    [
        settings_for(7000),
        settings_for(
            7000, cors_origins=("https://trade.example", "*"), access_log="/dev/null", otlp=Address("127.0.0.1", 4317)
        ),
        settings_for(7000, enforce_access=True, access_log="/dev/null"),
        settings_for(7000, order_shards=(Address("127.0.0.1", 7001), Address("127.0.0.1", 7002)), max_calls=5),
    ],
    ids=["as it is", "with everything", "guarded", "with shards"],
)
def test_envoy_accepts_it_without_a_warning(settings: Settings, tmp_path: Path) -> None:
    """The configuration is valid, and uses nothing that is about to be removed from Envoy."""
    configuration = tmp_path / "envoy.json"
    configuration.write_text(render(settings, output=configuration), encoding="utf-8")
    finished = subprocess.run(
        [str(ENVOY), "--mode", "validate", "--config-path", str(configuration), "--log-level", "warning"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    # Keys are asked for as soon as there is a filter that wants them, and in this mode nobody can be asked.
    told = "\n".join(line for line in finished.stderr.lower().splitlines() if "jwks" not in line)
    assert "warning" not in told
    assert "deprecated" not in told
