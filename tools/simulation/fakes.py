"""Simulations replace some adapters by these fakes in memory."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from codat_hub.companies.domain.consent import ConsentEntry
from codat_hub.storage.items import ItemKey, Listed, Stored

_LAST = ItemKey("\U0010ffff", "")  # sorts behind every key of the same rank


class FakeStateTable:
    """The State table in memory, with versions and index; it counts what DynamoDB bills.

    `reads` counts requests and items, `listed_entries` the entries that the index returned.
    `before_put` and `after_put` are called around each write, so that a test can raise there.
    """

    def __init__(self):
        self.items: dict[ItemKey, tuple[dict, int, Listed | None]] = {}
        self.partitions: dict[str, set[ItemKey]] = {}
        self.index: dict[str, list[tuple[str, ItemKey]]] = {}
        self.reads = 0
        self.listed_entries = 0
        self.writes = 0
        self.index_writes = 0
        self.before_put = self.after_put = lambda: None

    def get(self, key):
        self.reads += 1
        attributes, version, _ = self.items.get(key, ({}, 0, None))
        return Stored(attributes, version)

    def get_many(self, keys):
        wanted = dict.fromkeys(keys)
        self.reads += len(wanted)
        return {key: Stored(*self.items[key][:2]) for key in wanted if key in self.items}

    def under(self, prefix):
        keys = (key for key in self.partitions.get(prefix.pk, ()) if key.sk.startswith(prefix.sk))
        found = [(key, Stored(*self.items[key][:2])) for key in sorted(keys)]
        self.reads += 1
        self.listed_entries += len(found)
        return found

    def page(self, after, limit):
        self.reads += 1
        keys = sorted(self.partitions.get(after.pk, ()))
        return [key for key in keys if key.sk > after.sk][:limit]

    def listed(self, group, *, after=None, up_to=None, limit=100):
        self.reads += 1
        ranks = self.index.get(group, [])
        first = 0 if after is None else bisect_right(ranks, (after, _LAST))
        last = len(ranks) if up_to is None else bisect_right(ranks, (up_to, _LAST))
        found = ranks[first : min(last, first + limit)]
        self.listed_entries += len(found)
        return found

    def latest(self, group, *, before=None, limit=100):
        self.reads += 1
        ranks = self.index.get(group, [])
        last = len(ranks) if before is None else bisect_left(ranks, (before, ItemKey("", "")))
        found = ranks[max(last - limit, 0) : last][::-1]
        self.listed_entries += len(found)
        return found

    def put(self, key, attributes, version, listed=None):
        self.before_put()
        _, known, before = self.items.get(key, ({}, 0, None))
        if known != version:
            return False
        kept = {name: value for name, value in attributes.items() if value is not None}
        self.items[key] = (kept, version + 1, listed)
        self.partitions.setdefault(key.pk, set()).add(key)
        self.writes += 1
        if listed != before:
            self._list(key, before, listed)
        self.after_put()
        return True

    def put_while(self, guard, guard_version, puts):
        puts = list(puts)
        checks = [(guard, guard_version), *((key, version) for key, _, version in puts)]
        if any(self.get(key).version != version for key, version in checks):
            return False
        for write in puts:
            self.put(*write)
        return True

    def count(self, group):
        """Return how many items a group lists; DynamoDB reads each of its entries."""
        self.reads += 1
        self.listed_entries += len(self.index.get(group, ()))
        return len(self.index.get(group, ()))

    def delete(self, key):
        _, _, listed = self.items.pop(key, ({}, 0, None))
        self.partitions.get(key.pk, set()).discard(key)
        self._list(key, listed, None)

    def spoil(self, key, /, **changes):
        """Change an item as a person or another version would; None removes an attribute.

        Returns the item as it was before.
        """
        attributes, version, listed = self.items[key]
        kept = {name: value for name, value in (attributes | changes).items() if value is not None}
        self.items[key] = (kept, version, listed)
        return attributes

    def _list(self, key, before, listed):
        if before is not None:
            self.index_writes += 1
            ranks = self.index[before.group]
            ranks.pop(bisect_left(ranks, (before.rank, key)))
        if listed is not None:
            self.index_writes += 1
            insort(self.index.setdefault(listed.group, []), (listed.rank, key))


class FakeConsentLedger:
    """The consents in memory; it counts requests, and entries that were found, as `reads`."""

    def __init__(self):
        self.kept: dict[tuple[str, str], list[ConsentEntry]] = {}
        self.reads = self.writes = self.listed_entries = 0

    def newest(self, company_id: str, product: str) -> ConsentEntry | None:
        self.reads += 1
        entries = self.kept.get((company_id, product))
        return entries[-1] if entries else None

    def newest_of_each(self, company_id: str) -> list[ConsentEntry]:
        mine = [kept for (name, _), kept in sorted(self.kept.items()) if name == company_id]
        self.reads += 1 + len(mine)
        return [kept[-1] for kept in mine]

    def entries(
        self, company_id: str, after: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[ConsentEntry]:
        mine = [kept for (name, _), kept in sorted(self.kept.items()) if name == company_id]
        entries = [entry for kept in mine for entry in kept]
        found = [
            entry
            for entry in entries
            if after is None or (entry.consent.product, entry.number) > after
        ][:limit]
        self.reads += 1 + len(found)
        return found

    def append(self, company_id: str, entry: ConsentEntry) -> bool:
        entries = self.kept.setdefault((company_id, entry.consent.product), [])
        if entry.number != len(entries) + 1:
            return False
        entries.append(entry)
        return True


@dataclass
class FakeMigrations:
    held: set[tuple[str, str]] = field(default_factory=set)

    def holds(self, company_id: str, product: str) -> bool:
        return (company_id, product) in self.held
