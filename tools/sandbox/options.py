"""The options of a sandbox are plain values; no default comes from outside."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_CLIENT_ID = "f4a5b6c7-d8e9-4f01-91b2-c3d4e5f60718"
DEFAULT_API_KEY = "sandbox-api-key"


class LockScope(StrEnum):
    """How much a running read locks against a refresh; Codat's texts can mean either."""

    PRODUCT = "product"
    COMPANY = "company"


class ProductsOnCreate(StrEnum):
    """What Create company does with `products`, which only Codat's guide has."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one sandbox; times are in sandbox seconds unless a comment says otherwise."""

    api_key: str = DEFAULT_API_KEY
    client_id: str = DEFAULT_CLIENT_ID
    companies: int = 20
    seed: int = 7
    # How long a read takes that does not fail.
    read_seconds: float = 2.0
    # How long a failing read is tried again before it ends in error (Codat: about 12 hours).
    failure_seconds: float = 10.0
    # The share (0..1) of the seeded companies with one data type that keeps failing.
    failing_share: float = 0.05
    # Multiplies the delays between webhook attempts, which run in real seconds.
    retry_scale: float = 0.01
    lock_scope: LockScope = LockScope.PRODUCT
    products_on_create: ProductsOnCreate = ProductsOnCreate.ACCEPT
    # Requests a minute from one address; 0 switches this guard off.
    minute_limit: int = 1000
    # The seeded consumers from before products post to it; without it there are none.
    old_consumers_url: str | None = None
    # It makes new ids differ from those of an earlier run with the same seed.
    run: str = ""
