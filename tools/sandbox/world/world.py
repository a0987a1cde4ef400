"""The world of the sandbox has a state, a time and an agenda."""

import heapq
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tools.sandbox.options import Options
from tools.sandbox.requests.errors import company_not_found
from tools.sandbox.webhooks.model import Message
from tools.sandbox.world.identifiers import Identifiers
from tools.sandbox.world.model import AgendaEntry, Company, State
from tools.sandbox.world.moments import codat_date

type Happening = Callable[["World", AgendaEntry], None]


class World:
    """State and time; the modules that take a World hold the rules."""

    def __init__(
        self,
        state: State,
        options: Options,
        publish: Callable[[Message], None],
        happenings: Mapping[str, Happening],
    ) -> None:
        self.state = state
        self.options = options
        self.ids = Identifiers(f"world:{options.seed}:{options.run}")
        self._publish = publish
        self._happenings = happenings

    @property
    def now(self) -> datetime:
        """Return the sandbox's time."""
        return self.state.now

    def advance_to(self, moment: datetime) -> None:
        """Run everything that is due until `moment`, each at its own time."""
        while (due := self.next_due()) is not None and due <= moment:
            entry = heapq.heappop(self.state.agenda)
            self.state.now = max(self.state.now, entry.due)
            self._happenings[entry.kind](self, entry)
        self.state.now = max(self.state.now, moment)

    def next_due(self) -> datetime | None:
        """Return when the next agenda entry is due."""
        return self.state.agenda[0].due if self.state.agenda else None

    def plan(self, due: datetime, kind: str, **args: str) -> int:
        """Plan something for `due`; return the agenda entry's number."""
        self.state.last_entry += 1
        entry = AgendaEntry(due, self.state.last_entry, kind, args)
        heapq.heappush(self.state.agenda, entry)
        return entry.number

    def company(self, company_id: str) -> Company:
        """Return the company, or raise Codat's 404."""
        if company := self.state.companies.get(company_id):
            return company
        raise company_not_found(company_id)

    def emit(self, event_type: str, payload: Mapping[str, Any], about: Company | None) -> Message:
        """Send an event to its subscribers; a company's tags filter the events about it."""
        message = self.compose(event_type, payload, about)
        self._publish(message)
        return message

    def compose(
        self, event_type: str, payload: Mapping[str, Any], about: Company | None
    ) -> Message:
        """Return an event in Codat's envelope (docs/codat.md, C24)."""
        event_id = self.ids.uuid()
        envelope = {
            "id": event_id,
            "eventType": event_type,
            "generatedDate": codat_date(self.now),
            "payload": payload,
        }
        return Message(
            id=self.ids.message_id(),
            event_id=event_id,
            event_type=event_type,
            generated=self.now,
            body=json.dumps(envelope, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
            company_id=about.id if about else None,
            tags=[f"{key}:{value}" for key, value in about.tags.items()] if about else [],
        )
