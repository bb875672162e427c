"""One-time codes of a second factor: TOTP (RFC 6238) with SHA-1, six digits and 30 seconds, as authenticators do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

SECRET_BYTES: Final = 20
"""As long as the digest (RFC 4226, 4)."""
STEP_SECONDS: Final = 30
DIGITS: Final = 6
STEPS_AROUND: Final = 1
"""Codes of so many steps before and after now are taken, too: clocks differ, and people are slow (RFC 6238, 5.2)."""


def step_at(moment: datetime) -> int:
    """Returns the number of the step that a time lies in."""
    return int(moment.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Returns the code of a step (HOTP, RFC 4226, 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def matching_step(secret: bytes, code: str, moment: datetime) -> int | None:
    """Returns the step that a code is of, among those that are taken now; None when it is of none.

    Who uses it must remember it and refuse this step and those before it: a code is good once.
    """
    now = step_at(moment)
    found = None
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if step >= 0 and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def secret_text(secret: bytes) -> str:
    """Returns the secret as people type it in: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def secret_of(text: str) -> bytes:
    """Returns the secret of its text."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def otpauth_uri(secret: bytes, issuer: str, username: str) -> str:
    """Returns the URI that authenticators read as a QR code."""
    label = quote(f"{issuer}:{username}", safe=":@")
    values = {
        "secret": secret_text(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"
