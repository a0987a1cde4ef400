"""Platforms that a company can link: Xero and QuickBooks have real keys, others invented."""

from dataclasses import dataclass
from typing import Final

from tools.sandbox.world.catalog import TYPES_BY_SOURCE


@dataclass(frozen=True, slots=True)
class Platform:
    """An integration with its kind, and the data types of the kind that it lacks."""

    key: str
    name: str
    source_type: str
    integration_id: str
    lacks: frozenset[str] = frozenset()

    def offers(self, data_type: str) -> bool:
        """Tell whether this kind of platform has the data type; `lacks` does not matter."""
        return data_type in TYPES_BY_SOURCE[self.source_type]


_ALL: Final = (
    Platform("gbol", "Xero", "Accounting", "8a156a5a-39cb-4f9d-856e-76ef9b9a9607"),
    Platform("qhyg", "QuickBooks Online", "Accounting", "6b113e06-e818-45d7-977b-8e6bb3d01269"),
    Platform(
        "fraz",
        "Fraser Books",
        "Accounting",
        "4f5e6d7c-8b9a-4c0d-a1e2-f3a4b5c6d7e8",
        lacks=frozenset({"bills", "suppliers"}),
    ),
    Platform("bnkp", "Open Bank Feed", "Banking", "35b92968-9851-4095-ad60-395c95cbcba4"),
    Platform("bnkq", "Second Bank Link", "Banking", "2a8b3c74-5e6f-4d70-8b82-93a4b5c6d7e8"),
    Platform("shpq", "Shopfront", "Commerce", "91f2a3eb-c5d6-44e7-92f9-0a1b2c3d4e5f"),
)
PLATFORMS: Final = {platform.key: platform for platform in _ALL}
