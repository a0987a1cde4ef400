"""How a failed request to AWS looks to everything but adapters."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn an error of AWS's into Unavailable; `what` says what did not happen."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{what}: {error}") from error
