"""One error for every failed request to AWS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn boto3's errors into Unavailable; `what` says what did not happen, as a clause."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{what}: {error}") from error
