"""Lands the records of an event's windows in a bucket: one file per page, never rewritten."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from botocore.exceptions import ClientError

from .codat import Codat, Json, Refused, Wait
from .product_events import DataTypeRead, ProductReadCompleted
from .sources import SOURCES, Source, source_of

HANDLED: Final = "handled/"
_LAST: Final = "-last.jsonl"
# A refused key and a spent quota stop every call; other waits are those of one data type.
_STOPS_ALL: Final = frozenset({401, 429})


class OutOfTime(Exception):
    """The function must end; the next run goes on at the page that is missing."""


@dataclass
class Landing:
    """The bucket, and how to read. `landed` counts the files of this run."""

    codat: Codat
    s3: Any
    bucket: str
    page_size: int
    data_types: frozenset[str]  # empty: all
    has_time: Callable[[], bool]
    landed: int = 0

    def land(self, envelope: Json) -> None:
        """Land an event's records, unless that was done. Raises Wait, Refused and OutOfTime."""
        event: ProductReadCompleted = envelope["detail"]
        # A replay is meant to be read again, so its name belongs to the key.
        name = "~".join(filter(None, [event["event_key"], envelope.get("replay-name")]))
        marker = f"{HANDLED}{_without_dots(name)}.json"
        if self._keys(marker):
            return
        later: Wait | None = None
        refused: Refused | None = None
        not_served = []
        for entry in self._entries(event):
            try:
                self._land_entry(event, entry, name)
            except Wait as wait:
                if wait.status in _STOPS_ALL:
                    raise
                later = wait
            except Refused as refusal:
                if refusal.status == 404:
                    not_served.append(entry["data_type"])
                else:
                    refused = refusal
        if problem := later or refused:
            raise problem
        self._put(marker, json.dumps(event | {"not_served": not_served}))

    def _entries(self, event: ProductReadCompleted) -> Iterator[DataTypeRead]:
        for entry in event["data_types"]:
            wanted = not self.data_types or entry["data_type"] in self.data_types
            if entry["status"] == "Complete" and wanted:
                yield entry

    def _land_entry(self, event: ProductReadCompleted, entry: DataTypeRead, name: str) -> None:
        source = source_of(entry["data_type"])
        folder = "/".join(
            f"{level}={quote(value, safe='')}"
            for level, value in (
                ("product", event["product"]),
                ("company", event["company_id"]),
                ("data_type", entry["data_type"]),
            )
        )
        base = f"/companies/{quote(event['company_id'], safe='')}"
        if source.by_connection:
            base += f"/connections/{quote(entry['connection_id'], safe='')}"
        for account in self._accounts(f"{base}/data/", source):
            path = f"{base}/data/{source.path.format(account=quote(account, safe=''))}"
            words = [name, entry["connection_id"], *filter(None, [account])]
            file = f"{folder}/{'.'.join(map(_without_dots, words))}"
            self._land_list(path, source, entry, file)

    def _accounts(self, base: str, source: Source) -> Iterator[str]:
        """Yield the bank accounts that have a list each; for other sources one empty name."""
        if "{account}" not in source.path:
            yield ""
            return
        for _, accounts, _ in self._pages(base + "bankAccounts", SOURCES["bankAccounts"], {}, 1):
            yield from (account["id"] for account in accounts)

    def _land_list(self, path: str, source: Source, entry: DataTypeRead, file: str) -> None:
        known = self._keys(f"{file}.")
        if any(key.endswith(_LAST) for key in known):
            return
        query = dict(source.query)
        if source.paged and not entry["full_load"]:
            query["query"] = f"modifiedDate>={entry['modified_from']}"
        read_at = _now()
        for number, records, is_last in self._pages(path, source, query, len(known) + 1):
            lines = [_line(record, source, entry, read_at) for record in records]
            ending = _LAST if is_last else ".jsonl"
            self._put(f"{file}.{number:06}{ending}", "".join(lines))
            self.landed += 1
            read_at = _now()

    def _pages(
        self, path: str, source: Source, query: dict[str, str], number: int
    ) -> Iterator[tuple[int, list[Json], bool]]:
        """Yield number, records and "is the last" of each page, from page `number` on."""
        while True:
            if not self.has_time():
                raise OutOfTime
            if not source.paged:
                answer = self.codat.get(path, query)
                yield 1, _records(answer), True
                return
            # Newest first: what changes meanwhile moves to the front, so no page misses a record.
            paging = {"page": str(number), "pageSize": str(self.page_size)}
            answer = self.codat.get(path, query | paging | {"orderBy": "-modifiedDate"})
            if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
                raise Refused(200, path)  # no list that we know
            is_last = "next" not in answer.get("_links", {})
            yield number, answer["results"], is_last
            if is_last:
                return
            number += 1

    def _keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def _put(self, key: str, text: str) -> None:
        try:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), IfNoneMatch="*")
        except ClientError as error:
            # Another delivery of the event has landed this page.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                raise


def _without_dots(text: str) -> str:
    """Return a part of a file's name; dots separate parts."""
    return quote(text, safe="~").replace(".", "%2E")


def _records(answer: Any) -> list[Json]:
    """Return the records of an answer without pages: a list, or one object."""
    if isinstance(answer, list):
        return answer
    results = answer.get("results")
    return results if isinstance(results, list) else [answer]


def _line(record: Json, source: Source, entry: DataTypeRead, read_at: str) -> str:
    """Return the file's line: `version` orders the versions of a record, also as text."""
    line = {
        "id": " ".join(str(record.get(name, "")) for name in source.identity),
        "connection": entry["connection_id"] if source.by_connection else "",
        "version": as_time(record.get("modifiedDate")) or read_at,
        "read_at": read_at,
        "record": record,
    }
    return json.dumps(line) + "\n"


def as_time(text: object) -> str | None:
    """Return a date of Codat in UTC, always in the same form; None if it is unreadable.

    Dates are texts of several forms (docs/codat.md, C5).
    """
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
