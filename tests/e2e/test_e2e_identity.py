"""Users, sessions, second factors and API keys over REST and gRPC, through the real gateway."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
import jwt
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.identity.v1 import authentication_pb2, identity_service_pb2_grpc, profile_pb2
from ordermesh.type.v1 import trading_pb2
from services.identity.domain import totp
from services.mesh.status import from_rpc_error
from tests.fixtures import http_clients
from tests.fixtures.ways import bearer

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

AUTH = "/api/v1/auth"
PASSWORD = "correct horse battery staple"
SIMULATION = "ENVIRONMENT_SIMULATION"


@pytest_asyncio.fixture(loop_scope="session")
async def rest(mesh: Mesh) -> AsyncIterator[httpx.AsyncClient]:
    """A REST client at the gateway."""
    async with http_clients.async_client(base_url=mesh.gateway_url, timeout=20) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def stub(mesh: Mesh) -> AsyncIterator[Any]:
    """A gRPC client at the gateway."""
    async with grpc.aio.insecure_channel(mesh.address("gateway")) as channel:
        yield identity_service_pb2_grpc.IdentityServiceStub(channel)


async def post(rest: httpx.AsyncClient, path: str, token: str = "", **body: Any) -> dict[str, Any]:
    """Returns the answer of a call that is good."""
    answer = await rest.post(f"{AUTH}/{path}", json=body, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def reason(answer: httpx.Response) -> str:
    """Returns the reason of an error."""
    info = next(each for each in answer.json()["details"] if each["@type"].endswith("ErrorInfo"))
    return str(info["reason"])


@pytest_asyncio.fixture(loop_scope="session")
async def name(rest: httpx.AsyncClient) -> str:
    """A user of the test's own."""
    name = f"u-{uuid.uuid4().hex[:12]}"
    told = await post(rest, "register", username=name, password=PASSWORD, environment=SIMULATION)
    assert (told["user"]["username"], told["user"]["roles"]) == (name, ["ROLE_TRADER"])
    return name


async def login(rest: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Logs in."""
    told = await post(rest, "login", username=name, password=PASSWORD, environment=SIMULATION)
    tokens: dict[str, Any] = told["tokens"]
    return tokens


async def test_tokens_are_verified_by_the_keys_at_the_well_known_path(rest: httpx.AsyncClient, name: str) -> None:
    """As anybody verifies them who knows nothing but the address: a standard client and a standard document."""
    tokens = await login(rest, name)
    answer = await rest.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    keys = jwt.PyJWKSet.from_dict(answer.json())
    key = keys[jwt.get_unverified_header(tokens["access_token"])["kid"]]
    claims = jwt.decode(tokens["access_token"], key, ["ES256"], audience="ordermesh", issuer="ordermesh")
    assert (claims["environment"], claims["roles"]) == ("simulation", ["trader"])


async def test_a_session_from_login_to_logout(rest: httpx.AsyncClient, name: str) -> None:
    """Profile read and changed, tokens refreshed, a replay noticed, the session gone."""
    tokens = await login(rest, name)
    header = bearer(tokens["access_token"])
    changed = await rest.put(f"{AUTH}/profile", json={"display_name": "Ann", "email": "a@example.com"}, headers=header)
    assert changed.status_code == 200, changed.text
    profile = (await rest.get(f"{AUTH}/profile", headers=header)).json()["user"]
    assert (profile["display_name"], profile["email"], profile["version"]) == ("Ann", "a@example.com", 2)
    fresh = (await post(rest, "refresh", refresh_token=tokens["refresh_token"]))["tokens"]
    sessions = (await rest.get(f"{AUTH}/sessions", headers=header)).json()["sessions"]
    assert [each["current"] for each in sessions] == [True]
    await post(rest, "logout", fresh["access_token"])
    gone = await rest.get(f"{AUTH}/profile", headers=header)
    assert (gone.status_code, reason(gone)) == (401, "INVALID_TOKEN")

    again = await login(rest, name)
    newest = (await post(rest, "refresh", refresh_token=again["refresh_token"]))["tokens"]
    replayed = await rest.post(f"{AUTH}/refresh", json={"refresh_token": again["refresh_token"]})
    assert (replayed.status_code, reason(replayed)) == (401, "REFRESH_TOKEN_REUSED")
    ended = await rest.post(f"{AUTH}/refresh", json={"refresh_token": newest["refresh_token"]})
    assert (ended.status_code, reason(ended)) == (401, "INVALID_TOKEN")


async def test_a_second_factor_over_rest(rest: httpx.AsyncClient, name: str) -> None:
    """Enrolled by an authenticator, asked for at the next login, given by a recovery code and by the next code."""
    token = (await login(rest, name))["access_token"]
    enrolled = await post(rest, "second-factor/enroll", token, password=PASSWORD)
    secret = totp.secret_of(enrolled["secret"])
    assert enrolled["secret"] in enrolled["otpauth_uri"]
    step = totp.step_at(datetime.now(UTC))
    confirmed = await post(rest, "second-factor/confirm", token, code=totp.code_at(secret, step))
    told = await post(rest, "login", username=name, password=PASSWORD, environment=SIMULATION)
    assert "tokens" not in told
    challenge = told["challenge"]["challenge"]
    used = await rest.post(f"{AUTH}/second-factor", json={"challenge": challenge, "code": totp.code_at(secret, step)})
    assert (used.status_code, reason(used)) == (401, "INVALID_CODE")
    tokens = (await post(rest, "second-factor", challenge=challenge, code=confirmed["recovery_codes"][0]))["tokens"]
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["amr"] == ["pwd", "otp"]
    assert claims["iat"] <= time.time() + 5
    # The code of the next step is taken a step early: nobody has to wait for it.
    token, code = tokens["access_token"], totp.code_at(secret, step + 1)
    await post(rest, "second-factor/disable", token, password=PASSWORD, code=code)
    await login(rest, name)


async def test_an_api_key_over_rest(rest: httpx.AsyncClient, name: str) -> None:
    """Made, exchanged, listed without its secret, bound to its networks, revoked by either path."""
    header = bearer((await login(rest, name))["access_token"])
    wish = {"name": "robot", "scopes": ["SCOPE_READ"], "allowed_networks": ["127.0.0.0/8"]}
    made = (await rest.post(f"{AUTH}/api-keys", json=wish, headers=header)).json()
    tokens = (await post(rest, "api-keys:exchange", secret=made["secret"]))["tokens"]
    assert tokens["refresh_token"] == ""
    assert (await rest.get(f"{AUTH}/profile", headers=bearer(tokens["access_token"]))).status_code == 200
    refused = await rest.post(f"{AUTH}/api-keys", json=wish, headers=bearer(tokens["access_token"]))
    assert (refused.status_code, reason(refused)) == (403, "PERMISSION_DENIED")
    listed = await rest.get(f"{AUTH}/api-keys", headers=header)
    [key] = listed.json()["api_keys"]
    assert (key["last_address"], made["secret"] in listed.text) == ("127.0.0.1", False)
    elsewhere = await rest.post(f"{AUTH}/api-keys", json={**wish, "allowed_networks": ["192.0.2.1"]}, headers=header)
    # What a caller writes of where they are the gateway overrules.
    forged = await rest.post(
        f"{AUTH}/api-keys:exchange",
        json={"secret": elsewhere.json()["secret"]},
        headers={"x-forwarded-for": "192.0.2.1", "x-ordermesh-caller-address": "192.0.2.1"},
    )
    assert (forged.status_code, reason(forged)) == (401, "INVALID_CREDENTIALS")
    for path, query, secret in (
        (f"api-keys/{key['api_key_id']}", {}, made["secret"]),
        ("api-keys", {"api_key_id": elsewhere.json()["api_key"]["api_key_id"]}, elsewhere.json()["secret"]),
    ):
        assert (await rest.delete(f"{AUTH}/{path}", params=query, headers=header)).status_code == 200
        assert (await rest.post(f"{AUTH}/api-keys:exchange", json={"secret": secret})).status_code == 401
    assert (await rest.get(f"{AUTH}/api-keys", headers=header)).json()["api_keys"] == []


async def test_the_same_over_grpc(rest: httpx.AsyncClient, stub: Any, name: str) -> None:
    """A token of one is good for the other; what is wrong is answered alike."""
    request = authentication_pb2.LoginRequest(
        username=name, password=PASSWORD, environment=trading_pb2.ENVIRONMENT_SIMULATION
    )
    tokens = (await stub.Login(request)).tokens
    profile = (await rest.get(f"{AUTH}/profile", headers=bearer(tokens.access_token))).json()["user"]
    metadata = (("authorization", f"Bearer {tokens.access_token}"),)
    assert (await stub.GetProfile(profile_pb2.GetProfileRequest(), metadata=metadata)).user.username == name
    assert profile["username"] == name
    request.password = "not the password"
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.Login(request)
    over_grpc = from_rpc_error(failure.value)
    over_rest = await rest.post(
        f"{AUTH}/login", json={"username": name, "password": "not the password", "environment": SIMULATION}
    )
    assert over_rest.status_code == 401
    assert (over_grpc.reason, over_grpc.message) == (reason(over_rest), over_rest.json()["message"])


async def test_who_is_no_user_is_told_nothing(rest: httpx.AsyncClient) -> None:
    """Without a token 401; a field too much or a password too short 400, which does not repeat it."""
    for verb, path in (
        ("GET", f"{AUTH}/profile"),
        ("GET", f"{AUTH}/sessions"),
        ("GET", f"{AUTH}/api-keys"),
        ("GET", "/api/v1/users"),
        ("DELETE", f"{AUTH}/sessions/{uuid.uuid4()}"),
    ):
        answer = await rest.request(verb, path)
        assert (answer.status_code, reason(answer)) == (401, "INVALID_TOKEN"), path
    unknown = await rest.post(f"{AUTH}/login", json={"username": "x1", "password": "x", "pasword": "hush-hush"})
    assert (unknown.status_code, reason(unknown)) == (400, "UNKNOWN_FIELD")
    short = await rest.post(
        f"{AUTH}/register", json={"username": "x1", "password": "hush-hush", "environment": SIMULATION}
    )
    assert short.status_code == 400
    assert "hush" not in unknown.text + short.text


async def test_the_mesh_counts_it_among_its_components(rest: httpx.AsyncClient) -> None:
    """`/health`, from which `ordermesh status` tells, names it."""
    components = {each["name"]: each["state"] for each in (await rest.get("/health")).json()["components"]}
    assert components["identity"] == "COMPONENT_STATE_SERVING"
