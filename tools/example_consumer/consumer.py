"""Keeps one product's data complete: reads the window of each event, upserts by record id."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx

from tools.example_consumer import paths
from tools.example_consumer.product_events import DataTypeRead, ProductReadCompleted

type Record = dict[str, Any]
type Records = dict[str, Record]

logger = logging.getLogger(__name__)
_NOT_SERVED: Final = 404
_TOO_MANY: Final = 429
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class TryLater(Exception):
    """Some of an event could not be read yet: let the queue deliver it again.

    seconds: how long to wait, if Codat said so; give it to the message as its visibility timeout
    """

    def __init__(self, cause: httpx.HTTPError) -> None:
        super().__init__(str(cause))
        answer = cause.response if isinstance(cause, httpx.HTTPStatusError) else None
        text = "" if answer is None else answer.headers.get("Retry-After", "")
        self.seconds = int(text) if text.isdecimal() else None


class Version(NamedTuple):
    """What makes one version of a record newer than another.

    Records without a `modifiedDate` go by the event alone.
    """

    modified: datetime
    occurred: datetime


class Consumer:
    """Holds a product's records in memory, where a team would use its database.

    records: (company, data type, connection) -> record id -> record
    done: the keys of handled events, each with the name of the resend that it came with, if any;
    keep them as long as the queue may deliver an event again
    """

    def __init__(self, codat: httpx.Client) -> None:
        self.records: dict[tuple[str, str, str], Records] = {}
        self.done: set[tuple[str, str | None]] = set()
        self.codat = codat
        self._versions: dict[tuple[str, str, str], dict[str, Version]] = {}

    def handle(self, event: ProductReadCompleted, resend: str | None = None) -> None:
        """Store the records of an event, unless that was done before.

        resend: `replay-name` of the event's envelope, which only a resent event has

        A data type that fails costs itself: the others are stored. Raises TryLater then.
        """
        key = (event["event_key"], resend)
        if key in self.done:
            return
        failure: httpx.HTTPError | None = None
        for entry in event["data_types"]:
            if entry["status"] != "Complete":
                continue
            try:
                self._store(event, entry)
            except httpx.HTTPStatusError as error:
                if error.response.status_code == _NOT_SERVED:
                    logger.warning("Codat does not serve %s: %s", entry["data_type"], error)
                    continue
                failure = error
                if error.response.status_code == _TOO_MANY:
                    break  # each further call would only be refused too
            except httpx.HTTPError as error:
                failure = error
        if failure is not None:
            raise TryLater(failure) from failure
        self.done.add(key)

    def _store(self, event: ProductReadCompleted, entry: DataTypeRead) -> None:
        """Keep the newest version of each record: events, and pages, come in any order.

        Nothing is removed: what is deleted at the source stays, with `metadata.isDeleted`.
        """
        company = event["company_id"]
        key = (company, entry["data_type"], entry["connection_id"])
        found = list(self._read(company, entry))
        known, versions = self.records.setdefault(key, {}), self._versions.setdefault(key, {})
        for record in found:
            name = str(record.get("id") or entry["data_type"])
            modified = _time(record.get("modifiedDate")) or _NEVER
            version = Version(modified, _time(event["occurred_at"]) or _NEVER)
            if name not in versions or version >= versions[name]:
                known[name], versions[name] = record, version

    def _read(self, company: str, entry: DataTypeRead) -> Iterator[Record]:
        connection, data_type = entry["connection_id"], entry["data_type"]
        if data_type == paths.BANK_TRANSACTIONS:
            accounts = paths.path_of(company, connection, "bankAccounts")
            for account in self._pages(accounts, {}):
                number = quote(str(account["id"]), safe="")
                of_account = paths.path_of_bank_transactions(company, connection, number)
                yield from self._pages(of_account, _window(entry))
            return
        path = paths.path_of(company, connection, data_type)
        if paths.is_whole(data_type):
            yield from _records(self._get(path, {}))
        else:
            yield from self._pages(path, _window(entry))

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[Record]:
        number = 1
        while True:
            page = self._get(path, {**query, "pageSize": "100", "page": str(number)})
            yield from page["results"]
            if "next" not in page["_links"]:
                return
            number += 1

    def _get(self, path: str, query: dict[str, str]) -> Any:
        return self.codat.get(path, params=query).raise_for_status().json()


def _window(entry: DataTypeRead) -> dict[str, str]:
    return {} if entry["full_load"] else {"query": f"modifiedDate>={entry['modified_from']}"}


def _records(answer: Any) -> list[Record]:
    """Return the records of an answer without pages: a list, `results`, or one object."""
    if isinstance(answer, dict):
        answer = answer.get("results", [answer])
    return list(answer)


def _time(text: object) -> datetime | None:
    """Return one of Codat's dates as a time: as texts, dates of other lengths sort wrongly."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
