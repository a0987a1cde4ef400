"""A message on the refresh queue: which ticket to work on, and for which of its generations."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RefreshMessage:
    """Ids only, no payload. `delay`: whole seconds before a worker may see it."""

    company_id: str
    product: str | None
    generation: int
    delay: timedelta = timedelta()
