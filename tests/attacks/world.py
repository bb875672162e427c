"""A mesh to attack: users of every role, one whose data nobody else may see, and what everybody's tokens are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from deploy.embedded.mesh import Mesh
from tests.attacks.requests import NOBODY
from tests.attacks.signing import signed_as
from tests.attacks.ways import Way
from tests.fixtures.access_mesh import SIMULATION
from tests.fixtures.users import ADMIN, PASSWORD
from tests.fixtures.waiting import eventually
from tests.fixtures.ways import bearer

NEW_PASSWORD: Final = "another horse battery staple"
SETTINGS: Final = {
    # Nobody makes users but the admin, so that nothing may change at a stranger's word.
    "ORDERMESH_IDENTITY_REGISTRATION": "none",
    # Attacks come from one address, at few accounts, and most of them are to reach what lies behind the limits.
    "ORDERMESH_IDENTITY_ADDRESS_ATTEMPTS": "1000000",
    "ORDERMESH_IDENTITY_ACCOUNT_ATTEMPTS": "1000000",
    "ORDERMESH_GATEWAY_USER_RATE": "0",
    "ORDERMESH_GATEWAY_ADDRESS_RATE": "0",
    "ORDERMESH_GATEWAY_LOGIN_RATE": "0",
    # A hash that can be told from none.
    "ORDERMESH_IDENTITY_ARGON2_MEMORY_KIB": "8192",
    # What was changed is in the record at once, or not at all.
    "ORDERMESH_IDENTITY_AUDIT_INTERVAL_SECONDS": "0.2",
    "ORDERMESH_IDENTITY_AUDIT_SEAL_SECONDS": "0.2",
    "ORDERMESH_ORDER_DIGEST_INTERVAL_SECONDS": "0.2",
}
"""Beside those of every mesh of tests."""
ROLES: Final = ("trader", "dealer", "risk manager", "compliance", "admin")
TRADING: Final = frozenset({"trader", "dealer"})
OPEN: Final = (*("PENDING_NEW", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE", "SUSPENDED"),)
"""Statuses of orders to which something may happen yet."""

_FOR_EVERYBODY: Final = frozenset({"instrument", "venue_execution_id"})
"""What the market tells of a trade."""


@dataclass(eq=False)
class User:
    """A user who is logged in, and what is theirs.

    Attributes:
        ids: What names something of theirs, by the names of fields.
        secrets: What stands in their data that nobody else may read, whatever they know.
    """

    name: str
    account: str = ""
    roles: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    ids: dict[str, list[str]] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def leaked(self, raw: bytes, sent: bytes) -> list[str]:
        """Returns what of theirs stands in an answer to a request that did not hold it."""
        ids = (each for name, told in self.ids.items() if name not in _FOR_EVERYBODY for each in told)
        theirs = [*self.secrets, *ids, self.account, self.name]
        return [each for each in theirs if each and each.encode() in raw and each.encode() not in sent]


@dataclass(repr=False)
class World:
    """Everybody, and the ways in.

    Attributes:
        victim: A trader with orders, trades, positions, a portfolio, a session and a key.
        stranger: A trader with an account of their own, and with nothing to do with the victim's.
        dealer: A dealer with clients of their own, of whom the victim is none.
        everything: A user with all roles, whose account nobody else has.
        by_role: A user of each role, with an account where the role has one.
        powerless: Tokens that change nothing, by what they are: none, forged, ended, for reading alone, of real money.
    """

    mesh: Mesh
    way: Way
    admin: User
    victim: User
    stranger: User
    dealer: User
    everything: User
    by_role: Mapping[str, User]
    powerless: Mapping[str, str]

    @property
    def likely(self) -> dict[str, Sequence[str]]:
        """What a stranger may have found out of the victim's, and what there is for everybody."""
        found: dict[str, Sequence[str]] = {**self.victim.ids, "connection_id": ["simulation"]}
        return {**found, "account_id": [self.victim.account, self.stranger.account], "currency": ["USD"]}

    def own(self, user: User) -> dict[str, Sequence[str]]:
        """What is of a user."""
        # Not the user: who takes roles from themselves ends the attack.
        ids = {name: told for name, told in user.ids.items() if name not in {"user_id", "username"}}
        found: dict[str, Sequence[str]] = {**ids, "connection_id": ["simulation"], "currency": ["USD"]}
        return {**found, "account_id": [user.account]}

    async def good(self, user: User, verb: str, path: str, **more: Any) -> dict[str, Any]:
        """Returns an answer over REST that must be good."""
        headers = bearer(user.token)

        async def asked() -> httpx.Response:
            return await self.way.http.request(verb, f"/api/v1/{path}", headers=headers, **more)

        # What attacks have used up of a limit is there again after a moment.
        answer = await eventually(asked, lambda told: told.status_code != httpx.codes.TOO_MANY_REQUESTS)
        assert answer.status_code == httpx.codes.OK, (path, answer.text)
        told: dict[str, Any] = answer.json()
        return told

    async def login(self, user: User) -> User:
        """Logs a user in, and keeps their tokens."""
        body = {"username": user.name, "password": PASSWORD, "environment": SIMULATION}
        tokens = (await self.good(User(""), "POST", "auth/login", json=body))["tokens"]
        user.token, user.refresh_token = tokens["access_token"], tokens["refresh_token"]
        return user

    async def quiet(self) -> None:
        """Ends all that goes on by itself: orders that wait, or are sent piece by piece."""
        for user in (self.everything, *(self.by_role[role] for role in TRADING)):
            await self.login(user)

            async def canceled(user: User = user) -> bool:
                await self.good(user, "POST", "orders:cancelAll", json={"account_id": user.account})
                query = [("account_id", user.account), *(("status", f"ORDER_STATUS_{status}") for status in OPEN)]
                return not (await self.good(user, "GET", "orders", params=query))["orders"]

            await eventually(canceled, bool)


async def populated(mesh: Mesh, way: Way) -> World:
    """Makes everybody."""
    nobody = User("")
    world = World(mesh, way, User(ADMIN), nobody, nobody, nobody, nobody, {}, {})
    await world.login(world.admin)
    instrument = await _instrument(world)
    world.victim, other = [await made(world, "trader") for _ in range(2)]
    world.stranger, world.dealer = await made(world, "trader"), await made(world, "dealer")
    world.everything = await made(world, *ROLES)
    world.by_role = {role: await made(world, role) for role in ROLES}
    await _traded(world, world.victim, other, instrument)
    for user in (world.victim, world.stranger, world.dealer, world.everything, *world.by_role.values()):
        await _belongings(world, user, instrument)
    signer = await signed_as(mesh, world.victim.token)
    world.powerless = {
        "none": "",
        "forged": world.victim.token[:-8] + "AAAAAAAA",
        "ended": signer.token(exp=int(time.time()) - 1),
        "for reading": await key_token(world, world.stranger, "SCOPE_READ"),
        "of real money": signer.token(
            environment="live", roles=[role.replace(" ", "_") for role in ROLES], sub=NOBODY, scopes=["read"]
        ),
    }
    return world


async def _instrument(world: World) -> str:
    name = f"T{uuid.uuid4().hex[:10].upper()}.XTST"
    body = {"instrument": name, "asset_class": "ASSET_CLASS_EQUITY", "currency": "USD", "tick_size": "0.01"}
    await world.good(world.admin, "POST", "market-data/symbols", json={**body, "lot_size": "1"})
    return name


async def made(world: World, *roles: str) -> User:
    """Makes a user with an account, who is logged in."""
    marks = [f"canary{uuid.uuid4().hex[:16]}" for _ in range(4)]
    name, account, shown, email = marks[0], marks[1], marks[2], f"{marks[3]}@example.org"
    body: dict[str, Any] = {"account_id": account, "environment": SIMULATION, "base_currency": "USD", "name": shown}
    balances = [{"currency": "USD", "amount": "1000000"}]
    await world.good(world.admin, "POST", "accounts", json={**body, "balances": balances})
    body = {"username": name, "password": PASSWORD, "display_name": shown, "email": email, "account_ids": [account]}
    body["roles"] = [f"ROLE_{role.upper().replace(' ', '_')}" for role in roles]
    user = User(name, account, roles, secrets=[shown, email])
    told = await world.good(world.admin, "POST", "users", json=body)
    user.ids = {"user_id": [told["user"]["user_id"]], "username": [name]}
    return await world.login(user)


async def _traded(world: World, user: User, other: User, instrument: str) -> None:
    """Makes a trade of two users."""
    for each, side in ((other, "SIDE_SELL"), (user, "SIDE_BUY")):
        await world.good(each, "POST", "orders", json=_order(each, instrument, side, "100"))

    async def trades() -> list[dict[str, Any]]:
        told = await world.good(user, "GET", "trades", params={"account_id": user.account})
        return list(told["trades"])

    trade = (await eventually(trades, bool))[0]
    user.ids["trade_id"] = [str(trade.get("trade_id") or trade["execution_id"])]
    user.ids["venue_execution_id"] = [str(trade.get("venue_execution_id") or "1")]

    async def positions() -> bool:
        return bool((await world.good(user, "GET", "positions", params={"account_id": user.account}))["positions"])

    await eventually(positions, bool)


async def _belongings(world: World, user: User, instrument: str) -> None:
    """Makes an order that rests, a portfolio and an API key."""
    user.ids["instrument"] = [instrument]
    order = _order(user, instrument, "SIDE_BUY", "90")
    user.secrets.append(order["client_order_id"])
    if TRADING & {*user.roles}:
        placed = (await world.good(user, "POST", "orders", json=order))["order"]["order_id"]
        portfolio = {"account_id": user.account, "name": f"canary{uuid.uuid4().hex[:12]}"}
        opened = await world.good(user, "POST", "portfolios", json=portfolio)
        user.secrets.append(portfolio["name"])
        user.ids |= {"order_id": [placed], "portfolio_id": [opened["portfolio"]["portfolio_id"]]}

        async def status() -> str:
            return str((await world.good(user, "GET", f"orders/{placed}"))["order"]["order_status"])

        await eventually(status, lambda told: told == "ORDER_STATUS_NEW")
    name = f"canary{uuid.uuid4().hex[:12]}"
    key = await world.good(user, "POST", "auth/api-keys", json={"name": name, "scopes": ["SCOPE_READ"]})
    sessions = await world.good(user, "GET", "auth/sessions")
    user.secrets += [name, key["secret"]]
    user.ids |= {
        "api_key_id": [key["api_key"]["api_key_id"]],
        "session_id": [each["session_id"] for each in sessions["sessions"]],
    }


async def key_token(world: World, user: User, scope: str) -> str:
    """Returns the access token of a new API key."""
    key = await world.good(user, "POST", "auth/api-keys", json={"name": "scope", "scopes": [scope]})
    told = await world.good(User(""), "POST", "auth/api-keys:exchange", json={"secret": key["secret"]})
    return str(told["tokens"]["access_token"])


def _order(user: User, instrument: str, side: str, price: str) -> dict[str, Any]:
    return {
        "client_order_id": f"canary{uuid.uuid4().hex}",
        "account_id": user.account,
        "instrument": instrument,
        "side": side,
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "quantity": "10",
        "limit_price": price,
    }
