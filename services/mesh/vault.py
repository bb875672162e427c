"""Seals secrets with a key that is not in the database (AES-256-GCM, NIST SP 800-38D).

Imported only by services that keep secrets.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.mesh.config import ConfigurationError

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"


class SealBrokenError(Exception):
    """A sealed value cannot be opened: it was changed, belongs elsewhere, or was sealed with another key."""


class Vault:
    """Seals and opens values. A value is bound to its place, so that it cannot be moved to another."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: str, *place: str) -> bytes:
        """Returns a value sealed for a place, such as a connection and the name of a credential."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, value.encode(), _bound(place))

    def open(self, sealed: bytes, *place: str) -> str:
        """Returns the value that was sealed for a place.

        Raises:
            SealBrokenError: It was not sealed so.
        """
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION:
            raise SealBrokenError("the value was sealed by another version")
        try:
            return self._cipher.decrypt(nonce, rest, _bound(place)).decode()
        except InvalidTag:
            raise SealBrokenError(
                "the value was changed, or was sealed with another key or for another place"
            ) from None


def read_key(text: str, path: Path, variable: str) -> bytes:
    """Returns the key: the one given as text, else the file's, which is made, readable by its owner only, if need be.

    Args:
        text: The key, 32 bytes in base64; empty: the file's.
        path: The file.
        variable: What to call the text in an error, which does not tell it.

    Raises:
        ConfigurationError: The key is not 32 bytes in base64, or the file cannot be read or made.
    """
    if text:
        return _decode(text, variable)
    try:
        if not path.exists():
            _make(path)
        return _decode(path.read_text(encoding="ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key {path} cannot be read: {error}") from None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never replaces the key that another process has made meanwhile.
        path.hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def _decode(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(f"{where}: the key must be {_KEY_BYTES} bytes in base64")
    return key


def _bound(place: tuple[str, ...]) -> bytes:
    return b"\0".join(part.encode() for part in place)
