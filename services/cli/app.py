"""All commands under one name."""

from __future__ import annotations

import typer

from services.cli.commands import (
    account,
    accounts,
    auction,
    audit,
    book,
    bracket,
    keys,
    login,
    order,
    orders,
    positions,
    quotes,
    reconciliations,
    replace,
    replay,
    risk,
    status,
    venue,
)

app = typer.Typer(
    name="ordermesh",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Trades on an Ordermesh. Exit codes: 0 done, 1 refused, 2 wrong usage, 3 mesh not reachable.",
)
for command in (
    bracket.bracket,
    orders.orders,
    replace.replace,
    orders.cancel,
    orders.trades,
    positions.positions,
    quotes.quotes,
    book.book,
    accounts.accounts,
    reconciliations.reconciliations,
    status.status,
    login.login,
    login.logout,
    login.whoami,
    login.token,
    replay.replay,
):
    app.command()(command)
app.add_typer(order.order, name="order")
app.add_typer(risk.risk, name="risk")
app.add_typer(account.account, name="account")
app.add_typer(auction.auction, name="auction")
app.add_typer(audit.audit, name="audit")
app.add_typer(keys.keys, name="keys")
app.add_typer(venue.venue, name="venue")
