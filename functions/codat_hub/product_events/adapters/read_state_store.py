"""Stores read states in the State table: one compact item per company and product."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.product_events.domain.freshness import OverduePlace
from codat_hub.product_events.domain.read_event import ReadId, ReadKey
from codat_hub.product_events.domain.read_state import KeyState, KnownRead, ReadState
from codat_hub.products.domain.product import STANDARD
from codat_hub.storage.items import (
    ItemKey,
    Listed,
    Stored,
    company_key,
    moment_or_none,
    spell,
    spell_or_none,
)
from codat_hub.storage.reading import key_text, read, read_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.found import Found
    from codat_hub.storage.state_table import StateTable


_UP_TO: Final = "~"  # sorts after the rest of a rank
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class ReadStateStore:
    """Stores one item per company and product.

    Attributes: `company_id`, `product`, `last_read_at`, and the fields of ReadState:
    `reads`: a list of `[time, fingerprint, {suffix: Codat event id}]`
    `generated`: position in `reads` -> generatedDate, of reads that Codat dated ahead
    `keys`: connection id -> data type -> `[status, latest, watermark, full_load_at]`; `latest` and
    `watermark` are positions in `reads`; `watermark` may be null, and a `full_load_at` that is null
    is the item's own `full_load_at`, that of most keys. The first version of the hub stored there
    the newest reset that a full load answered.
    `named`: standard product -> time
    `overdue_from`: the index lists the item by it, for each custom product. The first version of
    the hub did not: ListOverdue lists its items.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]:
        """Return the state and its version, 0 if there is no item yet.

        Raises Unavailable, Unreadable.
        """
        key = _key(company_id, product)
        stored = self._table.get(key)
        return read(key_text(key), _state, key, stored), stored.version

    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> Found[tuple[str, str | None], ReadState]:
        """Return the stored states by (company, product). Raises Unavailable."""
        keys = {_key(*pair): pair for pair in pairs}
        return read_each(keys, self._table.get_many(keys), _state)

    def of_company(self, company_id: str) -> list[ReadState]:
        """Return all states of a company: of plain reads and of each product.

        Raises Unavailable, Unreadable.
        """
        items = self._table.under(_key(company_id, None))
        return [read(key_text(key), _state, key, stored) for key, stored in items]

    def put(self, company_id: str, product: str | None, state: ReadState, version: int) -> bool:
        """Write over the version that was read; return False if another writer was faster.

        Raises Unavailable, NeverProjected.
        """
        item = {"company_id": company_id, "product": product or STANDARD} | _item(state)
        listed = None
        if product is not None and state.overdue_from is not None:
            listed = Listed(_group(product), _rank(state.overdue_from, company_id))
        return self._table.put(_key(company_id, product), item, version, listed)

    def overdue(
        self, product: str, now: datetime, limit: int, after: str | None = None
    ) -> list[OverduePlace]:
        """Return the companies whose product is overdue, by `overdue_from`, in pages.

        after: the place of a company; only those behind it

        The index lags a little, and an entry may be wrong until the product's next slot.
        """
        listed = self._table.listed(
            _group(product), after=after, up_to=spell(now) + _UP_TO, limit=limit
        )
        return [
            OverduePlace(key.pk.removeprefix("COMPANY#"), product, place) for place, key in listed
        ]


def _key(company_id: str, product: str | None) -> ItemKey:
    # A custom product may be called "standard".
    return company_key(company_id, f"READS#{product}" if product else "READS")


def _group(product: str) -> str:
    return f"OVERDUE#{product}"


def _rank(overdue_from: datetime, company_id: str) -> str:
    return f"{spell(overdue_from)}#{company_id}"


def _item(state: ReadState) -> dict[str, Any]:
    places = {read.read_id: place for place, read in enumerate(state.reads)}
    keys: dict[str, dict[str, Any]] = {}
    usual = _usual(known.full_load_at for known in state.keys.values())
    for key, known in state.keys.items():
        watermark = None if known.watermark is None else places[known.watermark]
        full_load = None if known.full_load_at == usual else spell(known.full_load_at or _NEVER)
        row = [known.status, places[known.latest], watermark, full_load]
        keys.setdefault(key.connection_id, {})[key.data_type] = row
    return {
        "last_read_at": spell_or_none(state.last_read_at),
        "full_load_at": spell_or_none(usual),
        "reads": [[spell(read.at), read.fingerprint, dict(read.seen)] for read in state.reads],
        "generated": {
            str(place): spell(read.generated)
            for place, read in enumerate(state.reads)
            if read.generated != read.at
        }
        or None,
        "keys": keys,
        "named": {product: spell(at) for product, at in state.named.items()} or None,
        "overdue_from": spell_or_none(state.overdue_from),
    }


def _state(_name: object, stored: Stored) -> ReadState:
    item: Mapping[str, Any] = stored.attributes
    generated = item.get("generated", {})
    reads = tuple(
        KnownRead(
            datetime.fromisoformat(at),
            fingerprint,
            seen,
            datetime.fromisoformat(generated.get(str(place), at)),
        )
        for place, (at, fingerprint, seen) in enumerate(item.get("reads", ()))
    )
    usual = moment_or_none(item.get("full_load_at"))
    keys = {
        ReadKey(data_type, connection_id): _key_state(row, reads, usual)
        for connection_id, rows in item.get("keys", {}).items()
        for data_type, row in rows.items()
    }
    keys = {key: keys[key] for key in sorted(keys)}
    named = {name: datetime.fromisoformat(at) for name, at in item.get("named", {}).items()}
    return ReadState(
        keys,
        reads,
        moment_or_none(item.get("last_read_at")),
        named,
        moment_or_none(item.get("overdue_from")),
    )


def _usual(times: Iterable[datetime | None]) -> datetime | None:
    """Return the most frequent time, None if no two keys have the same."""
    counts = Counter(time for time in times if time is not None)
    shared = [time for time, number in counts.items() if number > 1]
    return max(shared, key=lambda time: (counts[time], time), default=None)


def _key_state(row: list[Any], reads: tuple[KnownRead, ...], usual: datetime | None) -> KeyState:
    def at(place: Any) -> ReadId:
        return reads[int(place)].read_id

    status, latest, watermark, full_load_at = row
    return KeyState(
        status=status,
        latest=at(latest),
        watermark=None if watermark is None else at(watermark),
        full_load_at=_own(moment_or_none(full_load_at), usual),
    )


def _own(time: datetime | None, usual: datetime | None) -> datetime | None:
    return usual if time is None else None if time == _NEVER else time
