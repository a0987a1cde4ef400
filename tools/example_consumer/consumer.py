"""One product's data, kept complete: read exactly the window of each event, upsert by record id."""

from collections.abc import Iterator
from typing import Any

import httpx

from tools.example_consumer.product_events import DataTypeRead, ProductReadCompleted

Records = dict[str, dict[str, Any]]
# Where Codat's list path is not the data type's name (docs/codat.md, C52).
_NAMES = {"chartOfAccounts": "accounts"}
_PER_CONNECTION = ("banking-", "commerce-")


class Consumer:
    """`records`: (company, data type, connection) -> record id -> record. Yours is a database."""

    def __init__(self, codat: httpx.Client) -> None:
        self.records: dict[tuple[str, str, str], Records] = {}
        self.done: set[str] = set()  # event keys; keep them as long as your queue may repeat
        self.codat = codat

    def handle(self, event: ProductReadCompleted) -> None:
        """Raise httpx.HTTPError to have the message again: nothing is noted as done then."""
        if event["event_key"] in self.done:
            return
        for entry in event["data_types"]:
            if entry["status"] == "Complete":
                self._take(event["company_id"], entry)
        self.done.add(event["event_key"])

    def _take(self, company: str, entry: DataTypeRead) -> None:
        key = (company, entry["data_type"], entry["connection_id"])
        read = {record["id"]: record for record in self._read(company, entry)}
        known = {} if entry["full_load"] else self.records.get(key, {})
        for record_id, record in read.items():
            mine = known.get(record_id)
            # events come in any order, so an older read may come last
            if mine is None or mine["modifiedDate"] <= record["modifiedDate"]:
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
