"""What a call needs that is its own: names, orders, accounts, users; made by REST, anew for each call."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from tests.clients.caller import login, new_instrument, order
from tests.clients.good_calls import NEW_PASSWORD
from tests.fixtures.access_mesh import SIMULATION
from tests.fixtures.waiting import eventually
from tests.fixtures.ways import bearer

_WORD: Final = re.compile(r"\$(\w+)")


async def new_user(rest: httpx.AsyncClient, admin: str, role: str) -> str:
    """Makes a user with a role, and returns their token."""
    name = f"u-{uuid.uuid4().hex[:12]}"
    body = {"username": name, "password": "correct horse battery staple", "roles": [role]}
    await good(rest, "POST", "/api/v1/users", admin, body)
    return await login(rest, name)


async def good(rest: httpx.AsyncClient, verb: str, path: str, token: str, body: Mapping[str, Any] | None = None) -> Any:
    """Returns an answer that must be good."""
    answer = await rest.request(verb, path, json=body, headers=bearer(token))
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


class Makers:
    """Makes what the words of a template stand for, each once for a call.

    Attributes:
        own: What was made, by its word.
    """

    def __init__(self, rest: httpx.AsyncClient, tokens: Mapping[str, str], instrument: str) -> None:
        self.own: dict[str, str] = {}
        self._rest, self._tokens, self._instrument = rest, tokens, instrument
        self._login: dict[str, Any] = {}
        self._makers: dict[str, Callable[[], Awaitable[str]]] = {
            "own": self._name,
            "OWN": self._symbol,
            "instrument": self._shared,
            "order": self.resting,
            "resting": self.resting,
            "traded": self._traded,
            "list": self._list,
            "held_list": self._held_list,
            "account": self.account,
            "connection": self._connection,
            "portfolio": self._portfolio,
            "made": lambda: new_instrument(rest, tokens["admin"]),
            "user": self._username,
            "refresh": self._refresh,
            "key": lambda: self._api_key("api_key_id"),
            "secret": lambda: self._api_key("secret"),
        }

    async def fill(self, template: Any) -> Any:
        """Returns a template with everything in the place of the word that stands for it."""
        if isinstance(template, dict):
            return {name: await self.fill(each) for name, each in template.items()}
        if isinstance(template, list):
            return [await self.fill(each) for each in template]
        if not isinstance(template, str):
            return template
        for word in _WORD.findall(template):
            if word not in self.own:
                self.own[word] = await self._makers[word]()
        return _WORD.sub(lambda match: self.own[match[1]], template)

    async def token(self, who: str) -> str:
        """Returns what a user shows; `$login` is one of the call's own."""
        if who != "$login":
            return self._tokens[who]
        return str((await self._logged_in())["access_token"])

    async def account(self) -> str:
        """Opens an account that no trader may use."""
        name = f"a-{uuid.uuid4().hex[:12]}"
        balances = [{"currency": "USD", "amount": "1000"}]
        body = {"account_id": name, "environment": SIMULATION, "base_currency": "USD", "balances": balances}
        await good(self._rest, "POST", "/api/v1/accounts", self._tokens["admin"], body)
        return name

    async def resting(self) -> str:
        """Places an order, waits until its venue has it, and returns its id."""
        body = order(self._instrument)
        placed = await good(self._rest, "POST", "/api/v1/orders", self._tokens["trader"], body)
        self.own["order_key"] = body["client_order_id"]
        order_id = str(placed["order"]["order_id"])
        await self._until_open(order_id)
        return order_id

    async def _until_open(self, order_id: str) -> None:
        """Waits until an order is where it stays: at its venue, or held for one."""

        async def ask() -> str:
            told = await good(self._rest, "GET", f"/api/v1/orders/{order_id}", self._tokens["trader"])
            return str(told["order"]["order_status"])

        await eventually(ask, {"ORDER_STATUS_NEW", "ORDER_STATUS_SUSPENDED"}.__contains__)

    async def _name(self) -> str:
        return f"own-{uuid.uuid4().hex[:12]}"

    async def _symbol(self) -> str:
        return f"T{uuid.uuid4().hex[:10].upper()}"

    async def _shared(self) -> str:
        return self._instrument

    async def _traded(self) -> str:
        await self.resting()
        return self._instrument

    async def _list(self) -> str:
        return await self._placed_list([order(self._instrument), self._stop("120")])

    async def _held_list(self) -> str:
        """Places a list of which no venue has anything: what is done to it is done at once."""
        return await self._placed_list([self._stop("119"), self._stop("120")])

    def _stop(self, price: str) -> dict[str, str]:
        stop = {**order(self._instrument, type="ORDER_TYPE_STOP", stop_price=price)}
        del stop["limit_price"]
        return stop

    async def _placed_list(self, orders: Sequence[Mapping[str, str]]) -> str:
        key = uuid.uuid4().hex
        body = {
            "client_order_list_id": key,
            "contingency_type": "CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER",
            "orders": orders,
        }
        told = (await good(self._rest, "POST", "/api/v1/order-lists", self._tokens["trader"], body))["order_list"]
        self.own["list_key"] = key
        self.own |= {f"order_key_{i}": each["client_order_id"] for i, each in enumerate(orders)}
        await self._until_open(str(told["orders"][0]["order_id"]))
        return str(told["order_list_id"])

    async def _connection(self) -> str:
        name = f"c-{uuid.uuid4().hex[:12]}"
        body = {"connection_id": name, "adapter": "simulation", "environment": SIMULATION, "disabled": True}
        await good(self._rest, "POST", "/api/v1/brokers", self._tokens["admin"], body)
        return name

    async def _portfolio(self) -> str:
        self.own["portfolio_name"] = f"p-{uuid.uuid4().hex[:12]}"
        body = {
            "account_id": "demo",
            "name": self.own["portfolio_name"],
            "base_currency": "USD",
            "instruments": ["MSFT.XNAS"],
        }
        told = await good(self._rest, "POST", "/api/v1/portfolios", self._tokens["trader"], body)
        return str(told["portfolio"]["portfolio_id"])

    async def _username(self) -> str:
        name = f"u-{uuid.uuid4().hex[:12]}"
        body = {"username": name, "password": NEW_PASSWORD, "environment": SIMULATION}
        await good(self._rest, "POST", "/api/v1/auth/register", "", body)
        return name

    async def _logged_in(self) -> dict[str, Any]:
        if not self._login:
            body = {"username": await self.fill("$user"), "password": NEW_PASSWORD, "environment": SIMULATION}
            self._login = (await good(self._rest, "POST", "/api/v1/auth/login", "", body))["tokens"]
        return self._login

    async def _refresh(self) -> str:
        return str((await self._logged_in())["refresh_token"])

    async def _api_key(self, part: str) -> str:
        body = {"name": "tried", "scopes": ["SCOPE_READ"]}
        token = await self.token("$login")
        told = await good(self._rest, "POST", "/api/v1/auth/api-keys", token, body)
        return str(told[part] if part in told else told["api_key"][part])
