"""What came of a replay, as tables."""

from __future__ import annotations

from rich.table import Table

from services.market.replay.book_mode import Comparison
from services.market.replay.market_mode import Outcome


def comparison_table(name: str, comparison: Comparison) -> Table:
    """Returns what came of a recording in book mode."""
    table = Table(title=f"{name} against its published book", show_header=False)
    table.add_row("messages applied", f"{comparison.messages:,}")
    table.add_row("published rows compared", f"{comparison.rows:,}")
    table.add_row("rows equal on every level that can be known", f"{comparison.rows_equal:,}")
    table.add_row("levels equal", f"{comparison.levels_equal:,}")
    for kind, count in sorted(comparison.unknowable.items()):
        table.add_row(f"levels unknowable: {kind}", f"{count:,}")
    table.add_row("messages that name an order from before the file", f"{comparison.orders_before_file:,}")
    table.add_row(
        "unexplained differences", f"{comparison.different:,}", style="red" if comparison.different else "green"
    )
    for example in comparison.examples:
        table.add_row("", example)
    return table


def outcome_table(instrument: str, outcome: Outcome) -> Table:
    """Returns what came of a recording in market mode."""
    table = Table(title=f"replay into {instrument}", show_header=False)
    table.add_row("orders inferred to rest before the file", f"{outcome.resting_before:,}")
    table.add_row("orders inferred to enter unseen later", f"{outcome.entered_unseen:,}")
    for kind, count in sorted(outcome.messages.items()):
        table.add_row(f"messages: {kind}", f"{count:,}")
    share = outcome.named_hits / outcome.executions if outcome.executions else 1.0
    table.add_row(
        "executions that hit the order named", f"{outcome.named_hits:,} of {outcome.executions:,} ({share:.1%})"
    )
    table.add_row("executions that hit another order", f"{outcome.other_hits:,}")
    table.add_row("executions not filled at the file's price", f"{outcome.not_filled:,}")
    table.add_row("executions at another price than the file's", f"{outcome.better_price:,}")
    table.add_row("executions against other participants", f"{outcome.against_others:,}")
    table.add_row("cancels of orders already gone", f"{outcome.late_cancels:,}")
    return table
