"""The vault: sealed values open only in their place, with their key."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from services.mesh.config import ConfigurationError
from services.mesh.vault import SealBrokenError, Vault, read_key

KEY = base64.b64encode(bytes(range(32))).decode()
NOWHERE = Path("/nonexistent/key")


def test_sealed_value_opens_in_its_place_only() -> None:
    """A value opens for the place it was sealed for, and nowhere else; sealing twice gives two forms."""
    vault = Vault(read_key(KEY, NOWHERE, "A_KEY"))
    sealed = vault.seal("secret", "simulation", "api_key")
    assert b"secret" not in sealed
    assert sealed != vault.seal("secret", "simulation", "api_key")
    assert vault.open(sealed, "simulation", "api_key") == "secret"
    with pytest.raises(SealBrokenError):
        vault.open(sealed, "simulation", "api_secret")


def test_changed_value_or_other_key_does_not_open() -> None:
    """One changed bit, another version, or another key: the seal is broken."""
    vault = Vault(read_key(KEY, NOWHERE, "A_KEY"))
    sealed = vault.seal("secret", "a")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for damaged in (changed, b"\x02" + sealed[1:], b""):
        with pytest.raises(SealBrokenError):
            vault.open(damaged, "a")
    with pytest.raises(SealBrokenError):
        Vault(bytes(32)).open(sealed, "a")


def test_key_file_is_made_once_for_its_owner(tmp_path: Path) -> None:
    """The first start makes the key, readable by its owner only; later ones read it."""
    path = tmp_path / "deep" / "credentials.key"
    key = read_key("", path, "A_KEY")
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key("", path, "A_KEY") == key
    assert [each.name for each in path.parent.iterdir()] == ["credentials.key"]


@pytest.mark.parametrize("text", ["short", "!!!!", base64.b64encode(b"x" * 31).decode()])
def test_bad_key_stops_the_start(text: str, tmp_path: Path) -> None:
    """A key that is not 32 bytes in base64 is refused in one line that does not tell it."""
    for given, path in ((text, NOWHERE), ("", tmp_path / "key")):
        if not given:
            path.write_text(text)
        with pytest.raises(ConfigurationError, match="32 bytes") as failure:
            read_key(given, path, "A_KEY")
        assert text not in str(failure.value)
