"""The demo's scenes with counts, latencies and expectations, in one live table."""

import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.table import Table


@dataclass
class Scene:
    """A scene. `answers` counts HTTP statuses, `latencies` are in seconds."""

    title: str
    answers: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    stored: int = 0
    quarantined: int = 0
    expectations: dict[str, bool] = field(default_factory=dict)
    bodies: set[str] = field(default_factory=set)
    over: bool = False
    _lock: Lock = field(default_factory=Lock)

    def answered(self, status: int, latency: float, body: str) -> None:
        """Count an answer; several threads may call this at once."""
        with self._lock:
            self.answers = self.answers + Counter({status: 1})
            self.latencies = [*self.latencies, latency]
            self.bodies = self.bodies | {body}

    def expect(self, expectation: str, holds: bool) -> None:
        """Record whether an expectation holds."""
        self.expectations[expectation] = holds

    @property
    def good(self) -> bool:
        return self.over and bool(self.expectations) and all(self.expectations.values())


class Story:
    """The scenes played so far, in a table that follows their changes."""

    def __init__(self, console: Console) -> None:
        self.scenes: list[Scene] = []
        self._console = console
        self._live: Live | None = None

    @contextmanager
    def on_screen(self) -> Iterator[None]:
        """Show the table while scenes are played in the block."""
        with Live(console=self._console, get_renderable=self._table, refresh_per_second=8) as live:
            self._live = live
            yield

    @contextmanager
    def scene(self, title: str) -> Iterator[Scene]:
        """Play a scene; an exception in it counts as an expectation that did not hold."""
        scene = Scene(title)
        self.scenes.append(scene)
        try:
            yield scene
        except Exception as error:  # noqa: BLE001  # the next scenes are played, and the demo fails
            scene.expect(f"{type(error).__name__}: {error}", holds=False)
        finally:
            scene.over = True

    @property
    def broken(self) -> list[str]:
        """Return every expectation that did not hold, with its scene."""
        return [
            f"{scene.title}: {expectation}"
            for scene in self.scenes
            for expectation, holds in scene.expectations.items()
            if not holds
        ] + [
            f"{scene.title}: nothing was checked" for scene in self.scenes if not scene.expectations
        ]

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("")
        table.add_column("scene")
        table.add_column("answers")
        for name in ("stored", "quarantined", "median", "slowest"):
            table.add_column(name, justify="right")
        for scene in self.scenes:
            table.add_row(*_row(scene))
        return table


def _row(scene: Scene) -> tuple[str, ...]:
    mark = "[green]✓[/]" if scene.good else "[red]✗[/]" if scene.over else "[yellow]…[/]"
    answers = "  ".join(f"{count} x {status}" for status, count in sorted(scene.answers.items()))
    middle = f"{statistics.median(scene.latencies) * 1000:.0f} ms" if scene.latencies else ""
    slowest = f"{max(scene.latencies) * 1000:.0f} ms" if scene.latencies else ""
    return (
        mark,
        scene.title,
        answers,
        str(scene.stored),
        str(scene.quarantined),
        middle,
        slowest,
    )
