"""Signing keys: told before they sign, kept until what they have signed is over; and the tokens they sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from services.identity.crypto.keys import Ring, new_key
from services.identity.crypto.tokens import JwtTokens
from services.identity.domain.claims import Claims
from services.identity.domain.keys import KeyRules, KeyTimes, next_from, over, signing
from services.identity.domain.values import Environment, Proof, Role, Scope
from services.kernel.errors import CodedError
from tests.fakes.clock import FakeClock

RULES = KeyRules(period=timedelta(hours=10), lead=timedelta(hours=1), kept=timedelta(minutes=10))
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@given(st.lists(st.integers(1, 30 * 60), min_size=1, max_size=80))
def test_every_key_is_told_in_time_and_kept_for_long_enough(minutes: list[int]) -> None:
    """Whenever the keys are looked at, even after days without: who signs was told for an hour, or is the first."""
    keys: list[KeyTimes] = []
    made_at: dict[str, datetime] = {}
    signed_at: dict[str, datetime] = {}
    now = NOW
    for wait in [0, *minutes]:
        now += timedelta(minutes=wait)
        if keys:
            # A process that did not look meanwhile signs with what it has.
            who = signing(keys, now)
            assert who is not None
            signed_at[who.key_id] = now
        for gone in over(keys, RULES, now):
            assert gone.key_id not in signed_at or now - signed_at[gone.key_id] >= RULES.kept
            keys.remove(gone)
        if (active_from := next_from(keys, RULES, now)) is not None:
            keys.append(KeyTimes(f"key-{len(made_at)}", active_from))
            made_at[keys[-1].key_id] = now
        assert next_from(keys, RULES, now) is None
        who = signing(keys, now)
        assert who is not None
        assert who.key_id == "key-0" or now - made_at[who.key_id] >= RULES.lead
        assert len(keys) <= 3


def test_the_last_key_goes_when_its_tokens_have_ended() -> None:
    """Not before its successor has signed for as long as a token lives."""
    keys = [KeyTimes("a", NOW - timedelta(hours=9)), KeyTimes("b", NOW)]
    assert signing(keys, NOW) == keys[1]
    assert signing(keys, NOW - timedelta(seconds=1)) == keys[0]
    assert over(keys, RULES, NOW + timedelta(minutes=10) - timedelta(seconds=1)) == []
    assert over(keys, RULES, NOW + timedelta(minutes=10)) == keys[:1]


class World:
    """Tokens of a ring of two keys, of which the second signs."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.private = dict(new_key() for _ in range(2))
        self.first, self.second = self.private
        now = self.clock.now()
        self.keys = [
            (KeyTimes(self.first, now - timedelta(hours=1)), self.private[self.first]),
            (KeyTimes(self.second, now), self.private[self.second]),
        ]
        self.ring = Ring(self.clock)
        self.ring.hold(self.keys)
        self.tokens = JwtTokens(self.ring, self.clock, issuer="us", audience="all")

    def claims(self, **changes: Any) -> Claims:
        """Returns the claims of a trader."""
        now = self.clock.now().replace(microsecond=0)
        values: dict[str, Any] = {
            "user_id": "ann",
            "roles": (Role.TRADER, Role.RISK_MANAGER),
            "environment": Environment.LIVE,
            "accounts": ("a", "b"),
            "scopes": (Scope.READ,),
            "session_id": "s",
            "proofs": (Proof.PASSWORD, Proof.CODE),
            "token_id": "t",
            "issued_at": now,
            "expires_at": now + timedelta(minutes=5),
        }
        return Claims(**values | changes)

    def signed(self, *, key: str = "", head: dict[str, Any] | None = None, **claims: Any) -> str:
        """Returns a token as we would sign it, but for what is changed; a claim of None is left out."""
        payload = {"iss": "us", "aud": "all", **self.claims().as_json(), **claims}
        told = {name: value for name, value in payload.items() if value is not None}
        headers = {"kid": self.second, "typ": "at+jwt", **(head or {})}
        return jwt.encode(told, key or self.private[self.second], "ES256", headers=headers)

    def refuses(self, token: str) -> bool:
        """Tells whether a token is not taken."""
        try:
            self.tokens.read(token)
        except CodedError as error:
            return error.reason == "INVALID_TOKEN"
        return False


def test_what_is_signed_is_read() -> None:
    """By the key whose time it is, and after it has gone out of use."""
    world = World()
    token = world.tokens.sign(world.claims())
    assert jwt.get_unverified_header(token)["kid"] == world.second
    assert world.tokens.read(token) == world.claims()
    assert not world.refuses(world.signed())
    assert not world.refuses(world.signed(key=world.private[world.first], head={"kid": world.first}))
    world.ring.hold(world.keys[:1])
    assert world.refuses(token)


def test_a_clock_that_steps_back_ends_no_token() -> None:
    """When it was made does not matter to who reads it."""
    world = World()
    token = world.tokens.sign(world.claims())
    world.clock.advance(-timedelta(hours=1))
    assert not world.refuses(token)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"iss": "another"},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"jti": None},
        {"sid": None},
        {"roles": ["emperor"]},
        {"roles": 1},
        {"environment": "moon"},
        {"environment": None},
        {"exp": "soon"},
        {"exp": 2**80},
        {"iat": 2**40},
        {"nbf": 2**40},
        {"nbf": "later"},
        {"head": {"typ": "JWT"}},
        {"head": {"kid": "unknown"}},
        {"head": {"crit": ["x"], "x": 1}},
    ],
)
def test_a_token_of_ours_that_says_something_else_is_refused(change: dict[str, Any]) -> None:
    """The signature is good; for whom, until when, of which kind and what it says is not."""
    world = World()
    assert world.refuses(world.signed(**change))


def part(value: object) -> str:
    """Returns a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_forged_token_is_refused() -> None:
    """Another's key, no signature, our public key as a secret, a key in the head, parts exchanged, rubbish."""
    world = World()
    head, payload, signature = world.signed().split(".")
    foreign_id, foreign = new_key()
    assert world.refuses(world.signed(key=foreign))
    told = {"kid": world.second, "typ": "at+jwt"}
    unsigned = f"{part({**told, 'alg': 'none'})}.{payload}."
    public = world.ring.verifying(world.second)
    assert public is not None
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    confused = f"{part({**told, 'alg': 'HS256'})}.{payload}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, confused.encode(), hashlib.sha256)).rstrip(b"=").decode()
    theirs = Ring(world.clock)
    theirs.hold([(KeyTimes(foreign_id, world.clock.now()), foreign)])
    own = {"kty": "EC", "crv": "P-256", "x": theirs.published()[0].x, "y": theirs.published()[0].y}
    other = part({**json.loads(base64.urlsafe_b64decode(payload + "==")), "sub": "admin"})
    for token in (
        unsigned,
        f"{confused}.{mac}",
        world.signed(key=foreign, head={"jwk": own}),
        f"{head}.{other}.{signature}",
        f"{head}.{payload}.{'A' * 86}",
        f"{head}.{payload}",
        f"{part([1])}.{payload}.{signature}",
        "..",
        "",
        "é.é.é",
    ):
        assert world.refuses(token), token


def test_a_token_ends_at_its_time_by_our_clock() -> None:
    """To the second."""
    world = World()
    token = world.tokens.sign(world.claims())
    world.clock.advance(timedelta(minutes=5) - timedelta(seconds=6))
    assert not world.refuses(token)
    world.clock.advance(timedelta(seconds=6))
    assert world.refuses(token)


def test_published_keys_are_the_newest_first_and_named_by_their_thumbprint() -> None:
    """The id of RFC 7638's own kind: it follows from the key, so that no two share one."""
    world = World()
    published = world.ring.published()
    assert [key.key_id for key in published] == [world.second, world.first]
    told = {"crv": "P-256", "kty": "EC", "x": published[0].x, "y": published[0].y}
    text = json.dumps(told, separators=(",", ":"), sort_keys=True)
    assert base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode() == world.second
