"""Lambda: a product's refresh schedule -> noted in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codat_hub.settings import PlanRefreshesSettings
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

settings = PlanRefreshesSettings.from_env()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """The schedule's input: `product`, `scheduled_time`."""
    logger.info("refresh due", product=event["product"], slot=event["scheduled_time"])
