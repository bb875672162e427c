"""What the person at the terminal sees while the mesh starts, runs and stops."""

import time

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deploy.embedded.supervisor import Runner, State

MARKS = {
    State.WAITING: "[dim]·[/]",
    State.STARTING: "[yellow]…[/]",
    State.SERVING: "[green]✓[/]",
    State.RESTARTING: "[red]↻[/]",
    State.STOPPING: "[yellow]…[/]",
    State.STOPPED: "[dim]■[/]",
}


class Display:
    """Shows changes of state: as a table that is redrawn on a terminal, as one line each elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._rows: dict[str, tuple[Runner, State, float]] = {}
        self._since: dict[str, float] = {}
        self._live: Live | None = None

    def told(self, runner: Runner, detail: str) -> None:
        """Take note of a change of state."""
        name = runner.component.name
        seconds = time.monotonic() - self._since.get(name, time.monotonic())
        self._since[name] = time.monotonic()
        self._rows[name] = (runner, runner.state, seconds)
        if detail:
            self.console.print(f"[red]{runner.component.title}[/] {escape(detail)}", highlight=False)
        if self._live is not None:
            self._live.update(self._table())
        elif runner.state in {State.SERVING, State.STOPPED}:
            self.console.print(f"{MARKS[runner.state]} {_line(runner, seconds)}", highlight=False)

    def begin(self, runners: dict[str, Runner]) -> None:
        """Begin to draw, on a terminal, every component in its place."""
        self._rows = {name: (runner, runner.state, 0.0) for name, runner in runners.items()}
        if self.console.is_terminal:
            self._live = Live(self._table(), console=self.console, refresh_per_second=8)
            self._live.start()

    def end(self) -> None:
        """Leave what was drawn; later changes get a line each."""
        if self._live is not None:
            self._live.update(self._table())
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for runner, state, seconds in self._rows.values():
            took = f"[dim]{seconds:.1f} s[/]" if state is State.SERVING else ""
            table.add_row(MARKS[state], runner.component.title, f"[dim]{state}[/]", took)
        return table


def _line(runner: Runner, seconds: float) -> str:
    return f"{runner.component.title} {runner.state} [dim]({seconds:.1f} s)[/]"
