"""Whose a token is: what proves it, what is remembered of it, and what happens to keys meanwhile."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt.utils import base64url_encode

from services.kernel.errors import CodedError, ErrorKind
from services.mesh.access.caller import Caller
from services.mesh.access.keys import LEAST_SECONDS, IdentityKeys
from services.mesh.access.tokens import TYPE, Verifier
from tests.fakes.access import (
    SIMULATION,
    FakeIdentity,
    new_key,
    user_verifier,
)
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """The time."""
    return FakeClock()


@pytest.fixture
def identity(clock: FakeClock) -> FakeIdentity:
    """Who signs access tokens."""
    return FakeIdentity(clock)


async def refused(verifier: Verifier, token: str) -> CodedError:
    """Returns why a token is not taken."""
    with pytest.raises(CodedError) as failure:
        await verifier.verify(token)
    assert verifier.remembered(token) is None
    return failure.value


async def test_a_clock_that_stepped_back_shuts_nobody_out(identity: FakeIdentity) -> None:
    """By it, a token was issued in an hour."""
    token = identity.token(iat=int(identity.clock.now().timestamp()) + 3600)
    assert (await user_verifier(identity).verify(token)).name


async def test_a_good_token_tells_its_user(identity: FakeIdentity) -> None:
    """Everything that its claims say, by the contract's numbers; words of a later version allow nothing."""
    token = identity.token(roles=["trader", "compliance", "astronaut"], accounts=["a", "b"], scopes=["read", "fly"])
    told = await user_verifier(identity).verify(token)
    now_ns = int(identity.clock.now().timestamp()) * 1_000_000_000
    accounts, ends_ns = frozenset({"a", "b"}), now_ns + 300_000_000_000
    assert told == Caller(
        "user-1", False, frozenset({1, 4}), frozenset({1}), SIMULATION, accounts, "session-1", ends_ns, now_ns
    )


async def test_a_verified_token_is_remembered_until_it_ends(identity: FakeIdentity, clock: FakeClock) -> None:
    """Neither its signature nor the keys are looked at again; at its last second it is refused."""
    verifier, token = user_verifier(identity), identity.token()
    assert verifier.remembered(token) is None
    told = await verifier.verify(token)
    identity.keys.clear()
    clock.advance(timedelta(seconds=299))
    assert verifier.remembered(token) is told
    clock.advance(timedelta(seconds=1))
    with pytest.raises(CodedError, match="INVALID_TOKEN"):
        verifier.remembered(token)


def forged(identity: FakeIdentity, **changes: Any) -> str:
    """Returns a token with the claims and the head of a good one, signed by somebody else."""
    return jwt.encode(identity.claims(**changes), new_key(), "ES256", headers={"kid": "first", "typ": TYPE})


def by_public_key(identity: FakeIdentity) -> str:
    """Returns a token whose secret is the public key, which a verifier that believes the head would take."""
    public = identity.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = {"alg": "HS256", "kid": "first", "typ": TYPE}
    signed = ".".join(base64url_encode(json.dumps(part).encode()).decode() for part in (head, identity.claims()))
    return f"{signed}.{base64url_encode(hmac.digest(pem, signed.encode(), 'sha256')).decode()}"


def of_head(identity: FakeIdentity, **head: Any) -> str:
    """Returns a token with another head."""
    headers = {"kid": "first", "typ": TYPE} | head
    return jwt.encode(identity.claims(), identity.keys["first"], "ES256", headers=headers)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: "",
        lambda _: "nothing",
        lambda _: "a.b.c",
        lambda _: "\udcff.\udcff.\udcff",
        lambda identity: identity.token()[:-4],
        forged,
        by_public_key,
        lambda identity: jwt.encode(identity.claims(), "", "none", headers={"kid": "first", "typ": TYPE}),
        lambda identity: of_head(identity, typ="JWT"),
        lambda identity: of_head(identity, kid="unheard"),
        lambda identity: jwt.encode(identity.claims(), identity.keys["first"], "ES256", headers={"typ": TYPE}),
        lambda identity: identity.token(iss="somebody"),
        lambda identity: identity.token(aud="elsewhere"),
        lambda identity: identity.token(exp=int(identity.clock.now().timestamp())),
        lambda identity: identity.token(nbf=int(identity.clock.now().timestamp()) + 60),
        lambda identity: identity.token(nbf="later"),
        lambda identity: identity.token(exp="tomorrow"),
        lambda identity: identity.token(environment="moon"),
        lambda identity: identity.token(roles=None),
        lambda identity: identity.token(accounts=7),
    ],
)
async def test_what_proves_nothing_is_refused(identity: FakeIdentity, make: Any) -> None:
    """Damaged, forged, of another algorithm, kind, issuer or audience, ended, not begun: one answer for all."""
    error = await refused(user_verifier(identity), make(identity))
    assert (error.kind, error.reason) == (ErrorKind.UNAUTHENTICATED, "INVALID_TOKEN")
    assert error.message == "the token is not good, or has ended"


async def test_an_unknown_key_is_asked_for_once_for_all(identity: FakeIdentity) -> None:
    """A key that signs since the last answer is met with its first token; made-up ones cost no question each."""
    now = [0.0]
    keys = IdentityKeys(identity.fetch, lambda: now[0])
    verifier = user_verifier(identity, keys)
    await verifier.verify(identity.token())
    identity.keys["second"] = new_key()
    for _ in range(10):
        await refused(verifier, of_head(identity, kid="unheard"))
    assert identity.asked == 1
    now[0] += LEAST_SECONDS
    await verifier.verify(identity.token())
    assert identity.asked == 2


async def test_known_keys_are_kept_while_identity_is_away(identity: FakeIdentity) -> None:
    """What they signed is good; what another one signed cannot be told to be bad, and may be sent again."""
    now = [0.0]
    verifier = user_verifier(identity, IdentityKeys(identity.fetch, lambda: now[0]))
    await verifier.verify(identity.token())
    identity.away = True
    now[0] += LEAST_SECONDS
    assert (await refused(verifier, of_head(identity, kid="unheard"))).kind is ErrorKind.UNAVAILABLE
    await verifier.verify(identity.token(sub="user-2"))


async def test_nobody_is_let_in_before_the_keys_are_known(identity: FakeIdentity) -> None:
    """Without keys nothing is taken on trust."""
    identity.away = True
    error = await refused(user_verifier(identity), identity.token())
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")


async def test_what_a_removed_key_has_signed_is_forgotten(identity: FakeIdentity) -> None:
    """A key that is told no more takes its tokens with it, also those that were verified."""
    now = [0.0]
    keys = IdentityKeys(identity.fetch, lambda: now[0])
    verifier, token = user_verifier(identity, keys), identity.token()
    await verifier.verify(token)
    identity.keys = {"second": new_key()}
    now[0] += LEAST_SECONDS
    await keys.refresh()
    assert verifier.remembered(token) is None
    await refused(verifier, token)


async def test_memory_is_bounded(identity: FakeIdentity, clock: FakeClock) -> None:
    """What has ended goes first, then what was met first."""
    verifier = user_verifier(identity, most_remembered=2)
    short = identity.token(exp=int(clock.now().timestamp()) + 10)
    first, second, third = (identity.token(sub=f"user-{number}") for number in range(3))
    await verifier.verify(first)
    await verifier.verify(short)
    clock.advance(timedelta(seconds=10))
    await verifier.verify(second)
    assert verifier.remembered(first) is not None
    await verifier.verify(third)
    assert [verifier.remembered(token) is not None for token in (first, second, third)] == [False, True, True]
