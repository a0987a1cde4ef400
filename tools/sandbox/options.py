"""Everything that can be chosen when a sandbox starts; plain values, no defaults from outside."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_CLIENT_ID = "f4a5b6c7-d8e9-4f01-91b2-c3d4e5f60718"
DEFAULT_API_KEY = "sandbox-api-key"


class LockScope(StrEnum):
    """What a running read locks against refreshing: Codat's texts allow both readings."""

    PRODUCT = "product"
    COMPANY = "company"


class ProductsOnCreate(StrEnum):
    """What Create company does with `products`, which the guide names and the spec does not."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of one sandbox; times in seconds of the sandbox's own clock unless said."""

    api_key: str = DEFAULT_API_KEY
    client_id: str = DEFAULT_CLIENT_ID
    companies: int = 20
    seed: int = 7
    # How long a read without trouble takes.
    read_seconds: float = 2.0
    # How long a failing read is tried again before it ends in error (Codat: about 12 hours).
    failure_seconds: float = 10.0
    # Part of the seeded companies (0..1) that have a data type which keeps failing.
    failing_share: float = 0.05
    # Multiplies the delays between webhook attempts, which run in real seconds.
    retry_scale: float = 0.01
    lock_scope: LockScope = LockScope.PRODUCT
    products_on_create: ProductsOnCreate = ProductsOnCreate.ACCEPT
    # Requests a minute from one address; 0 switches this guard off.
    minute_limit: int = 1000
    # Where the seeded, legacy-style consumers post to; without it there are none.
    old_consumers_url: str | None = None
    # Makes ids given out at run time differ from those of an earlier run with the same seed.
    run: str = ""
