"""One-time codes and recovery codes."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain import totp
from services.identity.domain.secrets import recovery_hash, recovery_text

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1; six digits are the last six of eight."""
    step = totp.step_at(datetime.fromtimestamp(seconds, UTC))
    assert totp.code_at(SECRET, step, digits=8) == code
    assert totp.code_at(SECRET, step) == code[2:]


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])
    ),
)
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    """Appendix D."""
    assert totp.code_at(SECRET, counter) == code


@given(st.binary(min_size=20, max_size=20), st.integers(10, 2**33), st.integers(-5, 5))
def test_codes_of_the_steps_around_now_are_taken(secret: bytes, seconds: int, off: int) -> None:
    """One step before and after, and the step is told; others are refused but by chance."""
    now = datetime.fromtimestamp(seconds, UTC)
    step = totp.step_at(now) + off
    if step < 0:
        return
    code = totp.code_at(secret, step)
    found = totp.matching_step(secret, code, now)
    near = [totp.code_at(secret, each) for each in range(totp.step_at(now) - 1, totp.step_at(now) + 2) if each >= 0]
    assert (found is not None) == (code in near)
    if found is not None:
        assert totp.code_at(secret, found) == code


def test_the_uri_tells_all_that_an_authenticator_needs() -> None:
    """Issuer and name in the label, the secret in base32, and the algorithm."""
    uri = urlsplit(totp.otpauth_uri(SECRET, "Order mesh", "ann+x@example.com"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Order mesh:ann+x@example.com")
    assert parse_qs(uri.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Order mesh"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert totp.secret_of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") == SECRET


def test_a_recovery_code_is_the_same_however_it_is_typed() -> None:
    """Case and dashes do not count; the user does."""
    code = recovery_text(bytes(range(10)))
    assert code == "aaaq-eaye-auda-ocaj"
    assert recovery_hash("ann", code) == recovery_hash("ann", code.upper().replace("-", ""))
    assert recovery_hash("ann", code) != recovery_hash("bob", code)
