"""Plays the person of a migration: follows the instructions at the control API and the Portal."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tools.cli.api import ControlApi, segment

type Json = dict[str, Any]

OVER: Final = frozenset({"planned", "complete", "rolled_back", "rollback_incomplete", "failed"})


class NotOver(Exception):
    """A migration did not end in the given time."""


@dataclass
class Operator:
    """A person who answers each stop of a migration.

    `in_the_gap` is called while the old consumers are off and the new ones have no secret yet.
    `poll`: seconds between two looks.
    """

    api: ControlApi
    codat: httpx.Client
    in_the_gap: Callable[[], None] = lambda: None
    poll: float = 0.1
    _answered: set[str] = field(default_factory=set)

    def start(self, products: Sequence[str], mode: str, *, dry_run: bool = False) -> str:
        """Start a migration of every company; return its id."""
        body = {"products": list(products), "webhooks": mode, "dry_run": dry_run}
        return str(self.api.post("migrations", body)["migration_id"])

    def rollback(self, migration: str) -> None:
        self.api.post(f"migrations/{segment(migration)}/rollback")

    def read(self, migration: str) -> Json:
        return self.api.get(f"migrations/{segment(migration)}")

    def report(self, migration: str) -> Json:
        return self.api.get(f"migrations/{segment(migration)}/report")

    def see_through(
        self,
        migration: str,
        seconds: float,
        look: Callable[[Json], None] = lambda _found: None,
        until: Callable[[Json], bool] = lambda found: found["status"] in OVER,
    ) -> Json:
        """Answer each stop until the run is over; call `look` with each state; return the last.

        Raises NotOver.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.read(migration)
            look(found)
            if until(found):
                return found
            if found["waiting_for"] and found["waiting_since"] not in self._answered:
                self._answered.add(found["waiting_since"])
                self.answer(found)
            time.sleep(self.poll)
        raise NotOver(f"{migration} is {found['status']}, {found['step']} after {seconds:.0f} s")

    def answer(self, found: Json) -> None:
        """Do what the instructions of a stop say."""
        migration = found["migration_id"]
        ids = [line.split()[0] for line in found["instructions"] if "http" in line]
        match found["waiting_for"]:
            case "approval":
                self._confirm(migration, "approve")
            case "webhooks_disabled":
                self._switch(ids, "disable")
                self.in_the_gap()
                self._confirm(migration, "confirm-webhooks-disabled")
            case "signing_secret":
                self.in_the_gap()
                for consumer_id in ids:
                    body = {"consumer_id": consumer_id, "secret": self.secrets_of(consumer_id)[0]}
                    self._confirm(migration, "confirm-secret", body)
            case "webhooks_restored":
                self._switch(ids, "enable")
                self._confirm(migration, "confirm-webhooks-restored")

    def portal(self, path: str, **body: Any) -> Json:
        """Call the sandbox's own API, which stands for the Portal."""
        answer: Json = self.codat.post(f"/_sandbox{path}", json=body).raise_for_status().json()
        return answer

    def secrets_of(self, consumer_id: str) -> list[str]:
        """Return a consumer's signing secrets, which the Portal shows."""
        found = self.codat.get(f"/_sandbox/webhooks/{consumer_id}/secret").raise_for_status()
        return list(found.json()["secrets"])

    def replay_missed(self, consumer_id: str, since: str) -> list[str]:
        """Let the Portal replay the webhooks that a consumer missed; return their ids."""
        replayed = self.portal(f"/webhooks/{consumer_id}/replay", since=since)
        return list(replayed["webhookIds"])

    def _switch(self, ids: Sequence[str], action: str) -> None:
        for consumer_id in ids:
            self.portal(f"/webhooks/{consumer_id}/{action}")

    def _confirm(self, migration: str, command: str, body: Json | None = None) -> None:
        self.api.post(f"migrations/{segment(migration)}/{command}", body)
