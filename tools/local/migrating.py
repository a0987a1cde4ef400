"""The person of a migration, played: control API and the sandbox's Portal, as instructed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tools.cli.api import ControlApi, segment

type Json = dict[str, Any]

OVER: Final = frozenset({"planned", "complete", "rolled_back", "rollback_incomplete", "failed"})


class NotOver(Exception):
    """A migration took longer than it was given."""


@dataclass
class Operator:
    """`in_the_gap`: called while old consumers are off and new ones are not proven yet.

    poll: seconds between two looks
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
        """Answer every wait until it is over, showing each state to `look`; return the last.

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
        """Do what the instructions of a wait say."""
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
                for one in ids:
                    body = {"consumer_id": one, "secret": self.secrets_of(one)[0]}
                    self._confirm(migration, "confirm-secret", body)
            case "webhooks_restored":
                self._switch(ids, "enable")
                self._confirm(migration, "confirm-webhooks-restored")

    def portal(self, path: str, **body: Any) -> Json:
        """Make a call of the sandbox's own contract."""
        answer: Json = self.codat.post(f"/_sandbox{path}", json=body).raise_for_status().json()
        return answer

    def secrets_of(self, consumer_id: str) -> list[str]:
        """Reveal a consumer's signing secrets, as the Portal does."""
        found = self.codat.get(f"/_sandbox/webhooks/{consumer_id}/secret").raise_for_status()
        return list(found.json()["secrets"])

    def replay_missed(self, consumer_id: str, since: str) -> list[str]:
        """Let the Portal replay what a consumer has not had; return the webhook-ids."""
        replayed = self.portal(f"/webhooks/{consumer_id}/replay", since=since)
        return list(replayed["webhookIds"])

    def _switch(self, ids: Sequence[str], how: str) -> None:
        for one in ids:
            self.portal(f"/webhooks/{one}/{how}")

    def _confirm(self, migration: str, what: str, body: Json | None = None) -> None:
        self.api.post(f"migrations/{segment(migration)}/{what}", body)
