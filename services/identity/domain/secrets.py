"""Secrets that are told once and stored as hashes: refresh tokens, challenges, API keys, recovery codes.

They are random and long, so that one SHA-256 is as good as a slow hash: there is nothing to guess.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

TOKEN_BYTES: Final = 32
RECOVERY_BYTES: Final = 10
RECOVERY_CODES: Final = 10
REFRESH: Final = "omr_"
CHALLENGE: Final = "omc_"
API_KEY: Final = "omk_"
"""What they begin with says what they are, to people and to scanners for leaked secrets."""
_GROUP: Final = 4


def token_text(prefix: str, random: bytes) -> str:
    """Returns a token made of random bytes."""
    return prefix + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def token_hash(token: str) -> bytes:
    """Returns what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def recovery_text(random: bytes) -> str:
    """Returns a recovery code: sixteen letters and digits in groups of four."""
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def recovery_hash(user_id: str, code: str) -> bytes:
    """Returns what is stored of a recovery code, however it was typed in."""
    plain = code.replace("-", "").lower()
    return hashlib.sha256(f"{user_id}\0{plain}".encode()).digest()
