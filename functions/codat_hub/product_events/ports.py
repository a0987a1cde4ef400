"""What use cases need of read states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codat_hub.product_events.domain.read_state import ReadState
    from codat_hub.storage.found import Found


class ReadStates(Protocol):
    """Read states by company and product; product None: plain reads."""

    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...
    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> Found[tuple[str, str | None], ReadState]: ...
    def of_company(self, company_id: str) -> Sequence[ReadState]: ...
    def put(self, company_id: str, product: str | None, state: ReadState, version: int) -> bool: ...
