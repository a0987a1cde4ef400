"""The public address of the webhooks API, and which URLs at Codat are the hub's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

HUB_PATH: Final = re.compile(r"/webhooks/codat/(?P<name>[^/]+)/?$")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where Codat reaches the webhooks API.

    url: at the hub's own domain if it has one, without the consumer's name at the end
    api_id: the API's id, which is in the address that API Gateway gives; empty if it is not known
    """

    url: str
    api_id: str = ""

    def of(self, consumer: str) -> str:
        """Return the URL of a consumer."""
        return f"{self.url}/{consumer}"

    def consumer_of(self, url: str) -> str | None:
        """Return the consumer's name in a URL of this hub, by its domain or by API Gateway's.

        The name may be one that the webhooks API refuses. None for any other URL.
        """
        parts, own = urlsplit(url), urlsplit(self.url)
        path = HUB_PATH.search(parts.path)
        at_domain = not self._is_at_api(own) and parts.hostname == own.hostname
        return path["name"] if path and (self._is_at_api(parts) or at_domain) else None

    def _is_at_api(self, parts: SplitResult) -> bool:
        # AWS puts the API's id into the host name, the emulator into the path
        return self.api_id != "" and self.api_id in {
            *(parts.hostname or "").split("."),
            *parts.path.split("/"),
        }
