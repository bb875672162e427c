"""Settings from the environment and a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from services.mesh.config import CONFIG_FILE, Address, ConfigurationError, ServiceSettings, StoreSettings


class NoteSettings(ServiceSettings):
    """Settings of a service that only lives here."""

    service: ClassVar[str] = "note"

    lines: int = Field(default=10, ge=1)
    risk_address: Address = "127.0.0.1:7002"
    token: SecretStr = SecretStr("none")


class StoredSettings(StoreSettings):
    """Settings with one that must be given."""

    service: ClassVar[str] = "stored"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine reaches a test."""
    import os  # noqa: PLC0415 - only here

    for name in os.environ:
        if name.startswith("ORDERMESH_"):
            monkeypatch.delenv(name)


def test_defaults_stand_when_nothing_is_set() -> None:
    """Ports are chosen by the system, and metrics stay on this machine."""
    settings = NoteSettings.load()
    assert (settings.address, settings.metrics_address, settings.lines) == ("127.0.0.1:0", "127.0.0.1:0", 10)


def test_the_services_own_variable_wins_over_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """ORDERMESH_NOTE_LINES is stronger than ORDERMESH_LINES."""
    monkeypatch.setenv("ORDERMESH_LINES", "2")
    assert NoteSettings.load().lines == 2
    monkeypatch.setenv("ORDERMESH_NOTE_LINES", "3")
    assert NoteSettings.load().lines == 3


def test_a_peers_address_comes_from_the_peers_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """One ORDERMESH_RISK_ADDRESS tells everybody where RiskService is."""
    monkeypatch.setenv("ORDERMESH_RISK_ADDRESS", "risk:7")
    monkeypatch.setenv("ORDERMESH_NOTE_ADDRESS", "127.0.0.1:8")
    settings = NoteSettings.load()
    assert (settings.risk_address, settings.address) == ("risk:7", "127.0.0.1:8")


def test_the_file_is_weaker_than_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The service's table of the file wins over its top, and variables over both."""
    file = tmp_path / "ordermesh.toml"
    file.write_text('lines = 4\nlog_level = "debug"\n[note]\nlines = 5\n[other]\nlines = 6\n')
    monkeypatch.setenv(CONFIG_FILE, str(file))
    assert (NoteSettings.load().lines, NoteSettings.load().log_level) == (5, "debug")
    monkeypatch.setenv("ORDERMESH_NOTE_LINES", "7")
    assert NoteSettings.load().lines == 7


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ORDERMESH_NOTE_LINES", "0", "ORDERMESH_NOTE_LINES='0': Input should be greater than or equal to 1"),
        ("ORDERMESH_LINES", "x", "ORDERMESH_LINES='x': Input should be a valid integer"),
        ("ORDERMESH_RISK_ADDRESS", "nowhere", "ORDERMESH_RISK_ADDRESS='nowhere': must be host:port"),
        ("ORDERMESH_RISK_ADDRESS", "localhost:65536", "ORDERMESH_RISK_ADDRESS='localhost:65536': must be host:port"),
        ("ORDERMESH_LOG_LEVEL", "loud", "ORDERMESH_LOG_LEVEL='loud': "),
    ],
)
def test_a_bad_value_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """The line names the variable, the value and the rule."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        NoteSettings.load()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in an error nor when settings are printed."""
    monkeypatch.setenv("ORDERMESH_TOKEN", "hunter2")
    assert "hunter2" not in repr(NoteSettings.load())
    monkeypatch.setenv("ORDERMESH_POSTGRES_URL", "mysql://u:hunter2@h/d")
    with pytest.raises(ConfigurationError) as caught:
        StoredSettings.load()
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).startswith("ORDERMESH_POSTGRES_URL=(hidden): ")


def test_a_missing_value_is_told_by_its_variable() -> None:
    """What must be given and is not is named."""
    with pytest.raises(ConfigurationError, match=r"^ORDERMESH_POSTGRES_URL is not set$"):
        StoredSettings.load()


@pytest.mark.parametrize("content", [None, "not = [toml", 'note = "no table"'])
def test_a_bad_file_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None) -> None:
    """A file that is missing or malformed stops the start."""
    file = tmp_path / "ordermesh.toml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(CONFIG_FILE, str(file))
    with pytest.raises(ConfigurationError, match=f"^{CONFIG_FILE}="):
        NoteSettings.load()


def test_settings_are_frozen() -> None:
    """Nobody changes them while the service runs."""
    with pytest.raises(ValidationError):
        NoteSettings.load().lines = 5  # type: ignore[misc]  # that it is refused is the test
