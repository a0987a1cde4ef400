"""Sandbox time starts with the real time and can run faster."""

import time
from datetime import UTC, datetime, timedelta


class WallClock:
    """Real time that never runs backwards, even when the machine's clock is corrected."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self._origin = time.monotonic()

    def __call__(self) -> datetime:
        return self._started + timedelta(seconds=time.monotonic() - self._origin)


class SandboxClock:
    """Sandbox time that runs `speed` times as fast as real time, from `start` on."""

    def __init__(self, wall: WallClock, start: datetime, speed: float) -> None:
        self._wall = wall
        self._anchor = (wall(), start)
        self.speed = speed

    def now(self) -> datetime:
        """Return the sandbox's time."""
        wall_then, sandbox_then = self._anchor
        return sandbox_then + (self._wall() - wall_then) * self.speed

    def run_at(self, speed: float) -> None:
        """Change the speed from now on, without a jump in time."""
        self._anchor = (self._wall(), self.now())
        self.speed = speed

    def leap(self, seconds: float) -> None:
        """Jump ahead; everything in between happens at once, each at its own time."""
        self._anchor = (self._wall(), self.now() + timedelta(seconds=seconds))

    def wall_seconds_until(self, moment: datetime) -> float:
        """Return the real seconds until the sandbox's clock shows `moment`."""
        return (moment - self.now()).total_seconds() / self.speed
