"""Keeps one product's data complete: reads the window of each event, upserts by record id."""

from collections.abc import Iterator
from typing import Any

import httpx

from tools.example_consumer.product_events import DataTypeRead, ProductReadCompleted

Records = dict[str, dict[str, Any]]
# Data types whose lists have another path at Codat (docs/codat.md, C52).
_NAMES = {"chartOfAccounts": "accounts"}
_PER_CONNECTION = ("banking-", "commerce-")


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

    def handle(self, event: ProductReadCompleted, resend: str | None = None) -> None:
        """Store the records of an event, unless that was done before.

        resend: `replay-name` of the event's envelope, which only a resent event has

        Raises httpx.HTTPError: let the queue deliver the message again.
        """
        key = (event["event_key"], resend)
        if key in self.done:
            return
        for entry in event["data_types"]:
            if entry["status"] == "Complete":
                self._store(event["company_id"], entry)
        self.done.add(key)

    def _store(self, company: str, entry: DataTypeRead) -> None:
        key = (company, entry["data_type"], entry["connection_id"])
        read = {record["id"]: record for record in self._read(company, entry)}
        known = {} if entry["full_load"] else self.records.get(key, {})
        for record_id, record in read.items():
            stored = known.get(record_id)
            # Events come in any order, so an older read may come last.
            if stored is None or stored["modifiedDate"] <= record["modifiedDate"]:
                known[record_id] = record
        self.records[key] = known

    def _read(self, company: str, entry: DataTypeRead) -> Iterator[dict[str, Any]]:
        name = _NAMES.get(entry["data_type"], entry["data_type"])
        path = f"/companies/{company}/data/{name}"
        if name.startswith(_PER_CONNECTION):
            path = f"/companies/{company}/connections/{entry['connection_id']}/data/{name}"
        query: dict[str, str | int] = {"pageSize": 100, "page": 1}
        if not entry["full_load"]:
            query["query"] = f"modifiedDate>={entry['modified_from']}"
        while True:
            page = self.codat.get(path, params=query).raise_for_status().json()
            yield from page["results"]
            if "next" not in page["_links"]:
                return
            query["page"] = int(query["page"]) + 1
