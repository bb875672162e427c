"""Who changed what in a whole mesh: recorded by each service, chained by one, read and verified by compliance."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import asyncpg
import grpc
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.event.v1 import audit_log_service_pb2, audit_log_service_pb2_grpc
from tests.fixtures import audited, http_clients
from tests.fixtures.access_mesh import (
    SETTINGS,
    SIMULATION,
    User,
    admin,
    anybody,
    instrument,
    limit,
    made,
    resting,
    trader,
)
from tests.fixtures.command import ordermesh
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.waiting import eventually

__all__ = ["admin", "anybody", "trader"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

Record = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """Everything but the trading agents, and everybody must prove who they are."""
    async with running_mesh(tmp_path_factory.mktemp("audited"), WITHOUT_AGENTS, SETTINGS | audited.AT_ONCE) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def called() -> set[str]:
    """Tests of this file that have run, in whatever order."""
    return set()


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def everything_is_recorded(guarded: Mesh, called: set[str]) -> AsyncIterator[None]:
    """Once all tests have run, every RPC that changes something was called by one of them, and is in the audit."""
    yield
    if called >= {name for name in globals() if name.startswith("test_")}:
        async with http_clients.async_client(base_url=guarded.gateway_url, timeout=20) as client:
            reader = await User(client, "").login("admin")
            seen = {each["rpc"].removeprefix("/ordermesh.") for each in await records(reader)}
        assert seen >= audited.OTHERS


@pytest.fixture(autouse=True)
def _calling(called: set[str], request: pytest.FixtureRequest) -> None:
    called.add(request.node.originalname)


@pytest_asyncio.fixture(loop_scope="module")
async def compliance(admin: User) -> User:
    """Reads everything, changes nothing."""
    return await made(admin, "COMPLIANCE")


async def records(reader: User, **filters: str) -> list[Record]:
    """Returns records, the first chained first."""
    told = await reader.good("GET", "/api/v1/audit/records", params={"page_size": "1000", **filters})
    return [entry["record"] for entry in reversed(told["entries"])]


async def until(reader: User, good: Callable[[Sequence[Record]], bool], **filters: str) -> list[Record]:
    """Returns records once they are as they should be."""
    return await eventually(lambda: records(reader, **filters), good)


async def of(reader: User, entity: str, count: int) -> list[Record]:
    """Returns the records of an entity once there are so many: pairs of what there was and what there is."""
    return await until(reader, lambda found: len(found) >= count, entity_id=entity)


async def test_accounts_and_portfolios(admin: User, compliance: User) -> None:
    """Opened by an admin; portfolios made, changed, filled, emptied and deleted by who trades for the account."""
    account, name = f"a-{uuid.uuid4().hex[:8]}", await instrument(admin)
    owner = await made(admin, "TRADER", account)
    (opened,) = await of(compliance, account, 1)
    assert opened["actor"]["username"] == "admin"
    assert opened["actor"]["address"] == "127.0.0.1"
    assert opened["rpc"] == "/ordermesh.portfolio.v1.PortfolioService/CreateAccount"
    assert (opened["environment"], opened["account_id"]) == (SIMULATION, account)
    assert opened["new_value"]["balances"] == {"USD": {"amount": "1000000", "opening": "1000000"}}
    made_ = await owner.good("POST", "/api/v1/portfolios", json={"account_id": account, "name": "tech"})
    path = f"/api/v1/portfolios/{made_['portfolio']['portfolio_id']}"
    await owner.good("PUT", path, json={"name": "technology"})
    await owner.good("POST", f"{path}/positions", json={"instrument": name})
    await owner.good("DELETE", f"{path}/positions/{name}")
    await owner.good("DELETE", path)
    cash = {"request_id": "more", "amount": "5", "text": "less to lose"}
    await admin.good("PUT", f"/api/v1/accounts/{account}/balances/USD", json=cash)
    await owner.good("POST", f"/api/v1/accounts/{account}/reset", json={"request_id": "again"})
    _, less, again = await of(compliance, account, 3)
    assert [_rpc(each) for each in (less, again)] == ["SetSimulationBalance", "ResetSimulationAccount"]
    assert less["old_value"]["balances"] == again["new_value"]["balances"] == opened["new_value"]["balances"]
    assert less["new_value"]["balances"] == again["old_value"]["balances"] == {"USD": {"amount": "5", "opening": "5"}}
    found = await of(compliance, made_["portfolio"]["portfolio_id"], 5)
    kinds = ["CreatePortfolio", "UpdatePortfolio", "AddPortfolioPosition", "RemovePortfolioPosition", "DeletePortfolio"]
    assert [_rpc(each) for each in found] == kinds
    assert (found[1]["old_value"]["name"], found[1]["new_value"]["name"]) == ("tech", "technology")
    assert (found[2]["old_value"]["instruments"], found[2]["new_value"]["instruments"]) == ([], [name])
    assert (found[4]["old_value"]["name"], found[4].get("new_value")) == ("technology", None)


async def test_limits_breakers_and_kill_switches(admin: User, compliance: User) -> None:
    """Set by a risk manager; a breaker trips by itself, which nobody has done, and is reset by somebody."""
    account, name = f"a-{uuid.uuid4().hex[:8]}", await instrument(admin)
    owner, manager = await made(admin, "TRADER", account), await made(admin, "RISK_MANAGER")
    limits = {"max_order_size": "5", "circuit_breaker_refusals": 1, "circuit_breaker_enabled": True}
    body = {"account_id": account, **limits}
    await manager.good("PUT", "/api/v1/risk/parameters", json=body)
    assert (await owner.refused("POST", "/api/v1/orders", json=limit(account, name)))[0] == 400
    stop = {"account_id": account, "state": "TRADING_STATE_HALTED", "text": "enough"}
    await owner.good("POST", "/api/v1/risk/emergency-stop", json=stop)
    tripped = {"entity_type": "circuit_breaker", "entity_id": account}
    await until(compliance, bool, **tripped)
    await manager.good("POST", "/api/v1/risk/circuit-breaker/reset", json={"account_id": account, "text": "looked at"})
    await manager.good("POST", "/api/v1/risk/resume", json={"account_id": account, "text": "go on"})
    found = await until(compliance, lambda all_: len(all_) >= 6, account_id=account)
    risk = [each for each in found if each["source"] == "risk"]
    told = [(each["entity_type"], _rpc(each)) for each in risk]
    assert sorted(told) == [
        ("circuit_breaker", ""),
        ("circuit_breaker", "ResetCircuitBreaker"),
        ("kill_switch", "EmergencyStop"),
        ("kill_switch", "Resume"),
        ("risk_parameters", "UpdateRiskParameters"),
    ]
    by_rpc = {_rpc(each): each for each in risk}
    assert by_rpc[""]["actor"]["service"] == "risk"
    assert by_rpc[""]["environment"] == SIMULATION
    assert by_rpc["EmergencyStop"]["new_value"]["state"] == "HALTED"
    assert by_rpc["Resume"]["old_value"]["state"] == "HALTED"
    assert by_rpc["UpdateRiskParameters"]["new_value"]["max_order_size"] == "5"
    assert by_rpc["Resume"]["actor"]["roles"] == ["ROLE_RISK_MANAGER"]


async def test_connections_without_their_credentials(admin: User, compliance: User) -> None:
    """Made, changed and deleted; of credentials only the names are told."""
    id_ = f"c-{uuid.uuid4().hex[:8]}"
    body = {"connection_id": id_, "adapter": "simulation", "environment": SIMULATION, "display_name": "One"}
    await admin.good("POST", "/api/v1/brokers", json=body)
    await admin.good("PUT", f"/api/v1/brokers/{id_}", json={"display_name": "Two", "disabled": True})
    await admin.good("DELETE", f"/api/v1/brokers/{id_}")
    found = await of(compliance, id_, 3)
    kinds = [f"{verb}Connection" for verb in ("Create", "Update", "Delete")]
    assert [_rpc(each) for each in found] == kinds
    assert (found[1]["old_value"]["enabled"], found[1]["new_value"]["enabled"]) == (True, False)
    assert found[0]["new_value"]["credentials_set"] == []


async def test_instruments_auctions_and_trades(admin: User, trader: User, compliance: User) -> None:
    """Made, halted, auctioned; a trade corrected and busted: asked for, and what came of it."""
    name, account = await instrument(admin), f"a-{uuid.uuid4().hex[:8]}"
    other = await made(admin, "TRADER", account)
    await admin.good("PUT", f"/api/v1/market-data/symbols/{name}", json={"status": "INSTRUMENT_STATUS_HALTED"})
    await admin.good("PUT", f"/api/v1/market-data/symbols/{name}", json={"status": "INSTRUMENT_STATUS_TRADING"})
    await admin.good("POST", f"/api/v1/market-data/symbols/{name}:beginAuction", json={"kind": "AUCTION_KIND_OPENING"})
    await admin.good("POST", f"/api/v1/market-data/symbols/{name}:uncrossAuction", json={})
    found = await of(compliance, name, 7)
    told = [(each["entity_type"], _rpc(each), each["outcome"].removeprefix("AUDIT_OUTCOME_")) for each in found]
    assert told == [
        ("instrument", "CreateInstrument", "DONE"),
        ("instrument", "UpdateInstrument", "DONE"),
        ("instrument", "UpdateInstrument", "DONE"),
        *(("auction", rpc, outcome) for rpc in ("BeginAuction", "UncrossAuction") for outcome in ("ASKED", "DONE")),
    ]
    assert (found[1]["old_value"]["status"], found[1]["new_value"]["status"]) == ("TRADING", "HALTED")
    order_id = await resting(trader, "demo", name)
    await other.good("POST", "/api/v1/orders", json={**limit(account, name), "side": "SIDE_SELL"})

    async def trades() -> list[Record]:
        query = {"account_id": "demo", "order_id": order_id}
        return list((await trader.good("GET", "/api/v1/trades", params=query))["trades"])

    (trade,) = await eventually(trades, bool)
    path = f"/api/v1/brokers/simulation/trades/{trade['venue_execution_id']}"
    correction = {"instrument": name, "quantity": "10", "price": "99"}
    await admin.good("POST", f"{path}:correct", json=correction)
    await admin.good("POST", f"{path}:bust", json={})
    found = await of(compliance, trade["venue_execution_id"], 4)
    assert [_rpc(each) for each in found] == ["CorrectTrade"] * 2 + ["BustTrade"] * 2
    assert found[1]["new_value"]["correction"] == correction
    assert (found[3]["new_value"]["busted"], found[3]["new_value"]["changed"]) == (True, True)


async def test_orders_say_who_asked(guarded: Mesh, admin: User, trader: User, compliance: User) -> None:
    """In their history: to who oversees trading, and to nobody else. The order log is in the chain by its digests."""
    name, manager = await instrument(admin), await made(admin, "RISK_MANAGER")
    order_id = await resting(trader, "demo", name)
    await trader.good("PUT", f"/api/v1/orders/{order_id}", json={"replace_id": uuid.uuid4().hex, "limit_price": "99"})

    async def history(reader: User) -> list[Record]:
        return list((await reader.good("GET", f"/api/v1/orders/{order_id}/history"))["reports"])

    await eventually(lambda: history(trader), _ends("REPLACED"))
    await manager.good("DELETE", f"/api/v1/orders/{order_id}")
    told = await eventually(lambda: history(compliance), _ends("CANCELED"))
    by = {each["execution_type"].removeprefix("EXECUTION_TYPE_"): each.get("actor") or {} for each in told}
    assert list(by) == ["PENDING_NEW", "NEW", "PENDING_REPLACE", "REPLACED", "PENDING_CANCEL", "CANCELED"]
    assert by["PENDING_NEW"]["user_id"] == by["PENDING_REPLACE"]["user_id"] != by["PENDING_CANCEL"]["user_id"]
    assert by["PENDING_CANCEL"]["roles"] == ["ROLE_RISK_MANAGER"]
    assert len(by["PENDING_NEW"]["request_id"]) == 32
    assert (by["PENDING_NEW"]["address"], by["PENDING_NEW"]["session_id"] != "") == ("127.0.0.1", True)
    assert by["NEW"] == by["REPLACED"] == by["CANCELED"] == {}
    assert not [each for each in await history(trader) if each.get("actor")]

    last = int(told[-1]["sequence"])
    await until(
        compliance,
        lambda found: bool(found) and found[-1]["new_value"]["last_sequence"] >= last,
        entity_type="order_log",
    )
    good = await compliance.good("GET", "/api/v1/audit/verification", params={"order_log": "true"})
    assert good.get("fault") is None
    # Somebody with the store in their hands changes who it was.
    await _in_store(guarded, "update orders.events set actor = null where actor is not null")
    bad = await compliance.good("GET", "/api/v1/audit/verification", params={"order_log": "true"})
    assert bad["fault"]["kind"] == "KIND_ORDER_LOG_CHANGED"
    assert (await compliance.good("GET", "/api/v1/audit/verification")).get("fault") is None


def _rpc(record: Record) -> str:
    return str(record["rpc"]).rpartition("/")[2]


def _ends(execution_type: str) -> Callable[[Sequence[Record]], bool]:
    return lambda reports: reports[-1]["execution_type"] == f"EXECUTION_TYPE_{execution_type}"


async def _in_store(mesh: Mesh, statement: str) -> None:
    connection = await asyncpg.connect(mesh.postgres_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_refused_calls(guarded: Mesh, admin: User, trader: User, compliance: User) -> None:
    """Who called what they may not, for which account, is recorded by the service that refused: once, with a count."""
    name, account = await instrument(admin), f"a-{uuid.uuid4().hex[:8]}"
    theirs, intruder = await made(admin, "TRADER", account), await made(admin, "TRADER")
    order_id = await resting(theirs, account, name)
    await of(compliance, account, 1)
    for _ in range(3):
        assert await intruder.refused("GET", f"/api/v1/accounts/{account}") == (403, "PERMISSION_DENIED")
        assert await intruder.refused("POST", "/api/v1/orders", json=limit(account, name)) == (403, "PERMISSION_DENIED")
        assert await intruder.refused("DELETE", f"/api/v1/orders/{order_id}") == (404, "UNKNOWN_ORDER")
        assert await intruder.refused("GET", "/api/v1/audit/records") == (403, "PERMISSION_DENIED")
    user = str((await intruder.good("GET", "/api/v1/auth/profile"))["user"]["user_id"])
    found = await until(compliance, lambda all_: len(all_) >= 4, entity_type="call", user_id=user)
    assert sorted((each["source"], _rpc(each), each["account_id"], each["reason"]) for each in found) == [
        ("identity", "ListAuditRecords", "", "PERMISSION_DENIED"),
        ("order", "CancelOrder", account, "UNKNOWN_ORDER"),
        ("order", "PlaceOrder", account, "PERMISSION_DENIED"),
        ("portfolio", "GetAccount", account, "PERMISSION_DENIED"),
    ]
    assert all(each["outcome"] == "AUDIT_OUTCOME_REFUSED" and each["environment"] == SIMULATION for each in found)
    assert all(each["actor"]["address"] == "127.0.0.1" and 1 <= each["new_value"]["times"] <= 3 for each in found)
    of_account = await records(compliance, account_id=account, entity_type="call")
    assert {each["sequence"] for each in of_account} < {each["sequence"] for each in found}
    token = {"ORDERMESH_ACCESS_TOKEN": compliance.token}
    listed = await ordermesh(guarded, "audit", "list", "--type", "call", "--account", account, **token)
    assert (listed.code, f"call {account}" in listed.out, "refused: UNKNOWN_ORDER" in listed.out) == (0, True, True)
    # What is counted is no change: others who look at the same see the chain as it should be.
    assert (await compliance.good("GET", "/api/v1/audit/verification")).get("fault") is None


async def test_only_compliance_and_admins_read_it(guarded: Mesh, admin: User, trader: User, compliance: User) -> None:
    """By REST and by the command, which proves the chain and remembers its end; a trader is refused."""
    for path in ("records", "records/1", "verification"):
        assert await trader.refused("GET", f"/api/v1/audit/{path}") == (403, "PERMISSION_DENIED"), path
    told = await compliance.good("GET", "/api/v1/audit/records/1")
    assert told["entry"]["previous_hash"] == "0" * 64
    assert await compliance.refused("GET", "/api/v1/audit/records/99999999") == (404, "UNKNOWN_AUDIT_RECORD")
    token = {"ORDERMESH_ACCESS_TOKEN": compliance.token}
    listed = await ordermesh(guarded, "audit", "list", "--type", "user", **token)
    assert (listed.code, "CreateUser" in listed.out) == (0, True), listed.err
    verified = await ordermesh(guarded, "audit", "verify", "--no-orders", **token)
    assert verified.code == 0, verified.err
    known = verified.out.split("known: ")[1].strip()
    again = await ordermesh(guarded, "audit", "verify", "--no-orders", "--known", known, **token)
    assert again.code == 0, again.err
    place, _, _ = known.partition(":")
    forged = await ordermesh(guarded, "audit", "verify", "--no-orders", "--known", f"{place}:{'0' * 64}", **token)
    assert (forged.code, f"record {place}" in forged.err) == (1, True)
    refused = await ordermesh(guarded, "audit", "verify", ORDERMESH_ACCESS_TOKEN=trader.token)
    assert (refused.code, "PERMISSION_DENIED" in refused.err) == (1, True)


async def test_nobody_outside_reads_a_services_log(guarded: Mesh, admin: User) -> None:
    """Neither through the gateway nor around it."""
    for place in ("gateway", "risk"):
        async with guarded.channel(place) as channel:
            log: Any = audit_log_service_pb2_grpc.AuditLogServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await log.ReadAuditLog(audit_log_service_pb2.ReadAuditLogRequest(), metadata=admin.metadata)
            expected = grpc.StatusCode.UNIMPLEMENTED if place == "gateway" else grpc.StatusCode.PERMISSION_DENIED
            assert failure.value.code() is expected
