"""The second factor, against a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import jwt

from ordermesh.identity.v1 import profile_pb2, second_factor_pb2
from services.kernel.errors import CodedError
from tests.fixtures.identity import OTHER_PASSWORD, PASSWORD, Client, World, bearer, code, refused


async def challenge(client: Client) -> str:
    """Logs in as far as the password goes."""
    answer = await client.try_login()
    assert answer.WhichOneof("result") == "challenge"
    return answer.challenge.challenge


async def test_a_second_factor_is_asked_for_once_it_is_confirmed(client: Client, world: World) -> None:
    """A code is good once, at its time; the token says that it was given."""
    await client.register()
    token = (await client.login()).access_token
    secret, codes = await client.add_second_factor(token)
    assert len(set(codes)) == 10
    assert (await client.profile(token)).second_factor
    asked = await challenge(client)
    used = await refused(client.verify(asked, code(secret, world.clock)))
    assert used.reason == "INVALID_CODE"
    world.clock.advance(timedelta(seconds=30))
    tokens = await client.verify(asked, code(secret, world.clock))
    assert jwt.decode(tokens.access_token, options={"verify_signature": False})["amr"] == ["pwd", "otp"]
    assert (await refused(client.verify(asked, code(secret, world.clock, 1)))).reason == "INVALID_TOKEN"
    assert (await refused(client.verify(await challenge(client), code(secret, world.clock)))).reason == "INVALID_CODE"


async def test_a_code_given_many_times_at_once_is_good_once(client: Client, world: World) -> None:
    """Of four logins with the same code at once one succeeds."""
    await client.register()
    secret, _ = await client.add_second_factor((await client.login()).access_token)
    world.clock.advance(timedelta(seconds=30))
    asked = [await challenge(client) for _ in range(4)]
    now = code(secret, world.clock)
    results = await asyncio.gather(*(client.verify(each, now) for each in asked), return_exceptions=True)
    assert sorted(each.reason for each in results if isinstance(each, CodedError)) == ["INVALID_CODE"] * 3


async def test_nothing_is_asked_for_before_the_second_factor_is_confirmed(client: Client, world: World) -> None:
    """One that was begun and not confirmed is replaced by the next; a wrong code confirms nothing."""
    await client.register()
    metadata = bearer((await client.login()).access_token)
    begin = second_factor_pb2.EnrollSecondFactorRequest(password=PASSWORD)
    first = await client.stub.EnrollSecondFactor(begin, metadata=metadata)
    assert first.otpauth_uri.startswith(f"otpauth://totp/ordermesh:ann?secret={first.secret}&issuer=ordermesh")
    second = await client.stub.EnrollSecondFactor(begin, metadata=metadata)
    await client.login()
    stale = second_factor_pb2.ConfirmSecondFactorRequest(code=code(first.secret, world.clock))
    assert (await refused(client.stub.ConfirmSecondFactor(stale, metadata=metadata))).reason == "INVALID_CODE"
    right = second_factor_pb2.ConfirmSecondFactorRequest(code=code(second.secret, world.clock))
    await client.stub.ConfirmSecondFactor(right, metadata=metadata)
    for call in (client.stub.EnrollSecondFactor(begin, metadata=metadata),):
        assert (await refused(call)).reason == "SECOND_FACTOR_MISMATCH"
    assert (await refused(client.stub.ConfirmSecondFactor(right, metadata=metadata))).reason == "SECOND_FACTOR_MISMATCH"
    wrong = second_factor_pb2.EnrollSecondFactorRequest(password=OTHER_PASSWORD)
    assert (await refused(client.stub.EnrollSecondFactor(wrong, metadata=metadata))).reason == "INVALID_CREDENTIALS"


async def test_recovery_codes_are_good_once_each_until_they_are_renewed(client: Client) -> None:
    """They are typed in as people do; new ones replace the old ones."""
    await client.register()
    token = (await client.login()).access_token
    _, codes = await client.add_second_factor(token)
    await client.verify(await challenge(client), codes[0].upper().replace("-", ""))
    assert (await refused(client.verify(await challenge(client), codes[0]))).reason == "INVALID_CODE"
    renew = second_factor_pb2.RenewRecoveryCodesRequest(code=codes[1])
    fresh = (await client.stub.RenewRecoveryCodes(renew, metadata=bearer(token))).recovery_codes
    assert not set(fresh) & set(codes)
    assert (await refused(client.verify(await challenge(client), codes[2]))).reason == "INVALID_CODE"
    await client.verify(await challenge(client), fresh[0])


async def test_codes_are_not_guessed(client: Client, world: World) -> None:
    """After five wrong codes the account pauses, over all challenges."""
    await client.register()
    secret, _ = await client.add_second_factor((await client.login()).access_token)
    world.clock.advance(timedelta(seconds=30))
    right = code(secret, world.clock)
    wrong = f"{(int(right) + 1) % 10**6:06}"
    for _ in range(5):
        assert (await refused(client.verify(await challenge(client), wrong))).reason == "INVALID_CODE"
    assert (await refused(client.verify(await challenge(client), right))).reason == "TOO_MANY_ATTEMPTS"
    world.clock.advance(timedelta(seconds=1))
    await client.verify(await challenge(client), right)


async def test_a_challenge_ends(client: Client, world: World) -> None:
    """It is good for five minutes, and only while the password is what it was."""
    await client.register()
    token = (await client.login()).access_token
    _, codes = await client.add_second_factor(token)
    old, changed = await challenge(client), await challenge(client)
    change = profile_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await client.stub.ChangePassword(change, metadata=bearer(token))
    assert (await refused(client.verify(changed, codes[0]))).reason == "INVALID_TOKEN"
    answer = await client.try_login(password=OTHER_PASSWORD)
    world.clock.advance(timedelta(minutes=5))
    for each in (old, answer.challenge.challenge, "omc_never"):
        assert (await refused(client.verify(each, codes[0]))).reason == "INVALID_TOKEN"


async def test_a_second_factor_is_removed_by_password_and_code(client: Client) -> None:
    """Either alone does not do; afterwards the password alone is asked for."""
    await client.register()
    metadata = bearer((await client.login()).access_token)
    missing = second_factor_pb2.DisableSecondFactorRequest(password=PASSWORD, code="123456")
    assert (
        await refused(client.stub.DisableSecondFactor(missing, metadata=metadata))
    ).reason == "SECOND_FACTOR_MISMATCH"
    _, codes = await client.add_second_factor(metadata[0][1].removeprefix("Bearer "))
    for password, given, reason in (
        (OTHER_PASSWORD, codes[0], "INVALID_CREDENTIALS"),
        (PASSWORD, "aaaa-bbbb-cccc-dddd", "INVALID_CODE"),
    ):
        request = second_factor_pb2.DisableSecondFactorRequest(password=password, code=given)
        assert (await refused(client.stub.DisableSecondFactor(request, metadata=metadata))).reason == reason
    right = second_factor_pb2.DisableSecondFactorRequest(password=PASSWORD, code=codes[0])
    await client.stub.DisableSecondFactor(right, metadata=metadata)
    await client.login()
