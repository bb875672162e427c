"""How cost grows: with the orders behind, open orders, accounts; and how long a restart takes with open orders.

`python -m tests.bench.scaling [--behind 0,100000,1000000] [--open N] [--accounts N] [--orders N]` prints this table
alone.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.embedded.mesh import Mesh
from ordermesh.portfolio.v1 import account_admin_pb2
from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceStub
from ordermesh.type.v1 import trading_pb2
from tests.bench.behind import Past
from tests.bench.desks import MOST_ACCOUNTS, desks_of
from tests.bench.order_path import ACCOUNTS, bench_mesh, run_load
from tests.bench.report import Figure, show
from tests.bench.restart import restart
from tests.bench.work_folder import work_folder
from tests.fixtures.usage import usage_of
from tests.fixtures.users import operator

RESTART_GOAL_SECONDS = 5.0
FLAT = 1.25
"""A cost for each order that grows by no more than this is called flat: as much differs from run to run."""
_LOW_PRICE = "150"
"""Far enough below what the other loads trade at; within every price band."""
_OPENING_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Attributes:
        behind: Orders that are in the log already, ascending.
        open_orders: Orders that rest.
        accounts: Accounts that orders come from.
        orders: Orders of each measured load.
    """

    behind: Sequence[int] = (0, 100_000, 1_000_000)
    open_orders: int = 100_000
    accounts: int = 10_000
    orders: int = 40_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load has cost.

    Attributes:
        per_second: Orders a second, by the wall clock.
        processor_us: Processor time of OrderService for an order, in microseconds.
        resident_mib: Memory of OrderService after it.
    """

    per_second: float
    processor_us: float
    resident_mib: float


async def measure_scaling(work: Path, sizes: Sizes, console: Console) -> list[Figure]:
    """Measures on a mesh of its own, without agents.

    Args:
        work: Folder for its data.
        sizes: How much of everything.
        console: Where it is told how far things are.
    """
    figures: list[Figure] = []
    async with bench_mesh(work) as mesh:
        await run_load(mesh, "trade", orders=2_000)
        first: Cost | None = None
        past = Past(mesh.postgres_url)
        for behind in sizes.behind:
            console.print(f"{behind:,} orders behind …")
            if behind:
                await past.reach(behind)
            cost = await _trade(mesh, sizes.orders)
            figures += _compared(f"{behind:,} orders behind", cost, first)
            first = first or cost
        figures += await _accounts(mesh, sizes, console)
        figures += await _open_orders(mesh, sizes, first, console)
    return figures


async def _trade(mesh: Mesh, orders: int) -> Cost:
    return await _cost(mesh, "trade", orders=orders)


async def _cost(mesh: Mesh, kind: str, *flags: str, orders: int) -> Cost:
    before = usage_of(mesh, "order")
    figures = await run_load(mesh, kind, *flags, orders=orders)
    after = usage_of(mesh, "order")
    used = after.processor_seconds - before.processor_seconds
    return Cost(figures["orders_per_second"], used / orders * 1e6, after.resident_mib)


def _compared(title: str, cost: Cost, beside: Cost | None) -> list[Figure]:
    """Returns the figures of a load, beside those of the smallest one."""
    if beside is None:
        return [
            Figure(f"{title}: durable orders", cost.per_second, "orders/s"),
            Figure(f"{title}: OrderService's processor time", cost.processor_us, "us/order"),
            Figure(f"{title}: OrderService's memory", cost.resident_mib, "MiB"),
        ]
    grown = cost.processor_us / beside.processor_us
    return [
        Figure(
            f"{title}: durable orders",
            cost.per_second,
            "orders/s",
            f"{beside.per_second:,.0f}/s",
            cost.per_second / beside.per_second,
        ),
        Figure(
            f"{title}: OrderService's processor time",
            cost.processor_us,
            "us/order",
            f"{beside.processor_us:,.1f} us",
            grown,
            f"<= {FLAT}",
            grown <= FLAT,
        ),
        Figure(
            f"{title}: OrderService's memory",
            cost.resident_mib,
            "MiB",
            f"{beside.resident_mib:,.0f} MiB",
            cost.resident_mib / beside.resident_mib,
        ),
    ]


async def _accounts(mesh: Mesh, sizes: Sizes, console: Console) -> list[Figure]:
    """Batches of orders of few accounts and of many, which have no stream each."""
    console.print(f"{sizes.accounts:,} accounts …")
    batch = ("--batch", str(MOST_ACCOUNTS))
    few = await _cost(mesh, "batches", "--no-streams", *batch, orders=sizes.orders)
    await _open_accounts(mesh, sizes.accounts)
    flags = ("--no-streams", "--account-count", str(sizes.accounts), *batch)
    # The first order of an account asks PortfolioService for it. Nobody meets all accounts at once: it is done slowly.
    await run_load(mesh, "batches", *flags, orders=sizes.accounts, in_flight=1)
    many = await _cost(mesh, "batches", *flags, orders=sizes.orders)
    return [
        *_compared(f"batches, {len(ACCOUNTS)} accounts", few, None),
        *_compared(f"batches, {sizes.accounts:,} accounts", many, few),
    ]


async def _open_accounts(mesh: Mesh, count: int) -> None:
    """Opens accounts that the loads name by number; the first are there already."""
    async with (await operator(mesh)).calling("portfolio") as channel:
        stub, numbers = PortfolioServiceStub(channel), iter(range(len(ACCOUNTS), count))

        async def opener() -> None:
            for number in numbers:
                request = account_admin_pb2.CreateAccountRequest(
                    account_id=f"bench-{number}",
                    environment=trading_pb2.ENVIRONMENT_SIMULATION,
                    base_currency="USD",
                )
                await stub.CreateAccount(request)

        await asyncio.gather(*(opener() for _ in range(_OPENING_AT_ONCE)))
    await desks_of(mesh).engage([f"bench-{number}" for number in range(count)])


async def _open_orders(mesh: Mesh, sizes: Sizes, first: Cost | None, console: Console) -> list[Figure]:
    console.print(f"{sizes.open_orders:,} open orders …")
    # Spread over all accounts: the snapshots that the streams of the measured load begin with stay small.
    many = ("--account-count", str(sizes.accounts), "--batch", str(MOST_ACCOUNTS))
    resting = ("--no-streams", "--resting", "--price", _LOW_PRICE, *many)
    await run_load(mesh, "batches", *resting, orders=sizes.open_orders)
    cost = await _trade(mesh, sizes.orders)
    figures = _compared(f"{sizes.open_orders:,} open orders", cost, first)
    console.print("a restart …")
    took = await restart(mesh, ACCOUNTS[0])
    title = f"restart with {sizes.open_orders:,} open orders"
    figures += [
        Figure(
            f"{title}: serving",
            took.serving_seconds,
            "s",
            goal=f"<= {RESTART_GOAL_SECONDS:g} s",
            reached=took.serving_seconds <= RESTART_GOAL_SECONDS,
        ),
        Figure(
            f"{title}: the next order acknowledged",
            took.acknowledged_seconds,
            "s",
            goal=f"<= {RESTART_GOAL_SECONDS:g} s",
            reached=took.acknowledged_seconds <= RESTART_GOAL_SECONDS,
        ),
        Figure(f"{title}: OrderService's processor time until then", took.processor_seconds, "s"),
        Figure(f"{title}: OrderService's memory after it", took.resident_mib, "MiB"),
    ]
    return figures


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that set the sizes."""
    usual = Sizes()
    parser.add_argument("--behind", default=",".join(map(str, usual.behind)), help="orders in the log, ascending")
    parser.add_argument("--open", type=int, default=usual.open_orders, help="open orders")
    parser.add_argument("--accounts", type=int, default=usual.accounts, help=f"a multiple of {MOST_ACCOUNTS}")
    parser.add_argument("--orders", type=int, default=usual.orders, help="orders of each load of scaling")


def sizes_of(chosen: argparse.Namespace) -> Sizes:
    """Returns the sizes that flags have set."""
    return Sizes(tuple(map(int, chosen.behind.split(","))), chosen.open, chosen.accounts, chosen.orders)


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_sizes(parser)
    console = Console(width=160)
    with work_folder() as folder:
        show(asyncio.run(measure_scaling(folder, sizes_of(parser.parse_args()), console)), console)


if __name__ == "__main__":
    main()
