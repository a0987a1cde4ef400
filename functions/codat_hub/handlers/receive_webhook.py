"""Lambda: a webhook from API Gateway -> verify its signature, store it once."""

from __future__ import annotations

import gc

gc.disable()  # the imports below drop almost nothing: collections are a tenth of the cold start

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from codat_hub.errors import Refused, TooLarge, Unavailable
from codat_hub.settings.receive_webhook import ReceiveWebhookSettings
from codat_hub.telemetry import count, logger, metrics
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.receive_webhook import MAX_BODY, DeliveryOutcome, ReceiveWebhook
from codat_hub.webhooks.signing_secret import is_consumer
from codat_hub.webhooks.signing_secret_cache import SigningSecretCache

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Codat waits 15 s and the function runs for 14 s: two calls with two tries each end within 12 s.
_AWS = Config(connect_timeout=1, read_timeout=1.5, retries={"total_max_attempts": 2})
_ANSWERS = {
    DeliveryOutcome.STORED: (200, "OK"),
    DeliveryOutcome.DUPLICATE: (200, "OK"),
    DeliveryOutcome.QUARANTINED: (202, "Accepted"),
}

settings = ReceiveWebhookSettings.from_env()
receive = ReceiveWebhook(
    InboxTable(
        boto3.client("dynamodb", config=_AWS),
        settings.inbox_table,
        timedelta(days=settings.inbox_retention_days),
    ),
    SigningSecretCache(
        boto3.client("secretsmanager", config=_AWS),
        settings.signing_secrets_arn,
        timedelta(seconds=settings.secret_reload_seconds),
    ),
)
gc.freeze()
gc.enable()


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an API Gateway proxy event and return a proxy answer."""
    consumer = _consumer(event)
    logger.append_keys(api_request_id=(event.get("requestContext") or {}).get("requestId"))
    try:
        outcome = receive(consumer, event.get("headers") or {}, _raw_body(event))
    except Refused as refusal:
        name = consumer if is_consumer(consumer) else None
        logger.info("webhook refused", reason=str(refusal), consumer=name)
        return _answer("refused", 401, "Unauthorized")
    except TooLarge:
        logger.info("webhook too large")
        return _answer("too_large", 413, "Payload Too Large")
    except Unavailable as error:
        logger.error("webhook not stored", cause=str(error))
        return _answer("unavailable", 503, "Service Unavailable")
    return _answer(outcome, *_ANSWERS[outcome])


def _consumer(event: dict[str, Any]) -> str:
    return (event.get("pathParameters") or {}).get("consumer") or ""


def _raw_body(event: dict[str, Any]) -> bytes:
    """Return the body's bytes as Codat sent them.

    Raises TooLarge before it decodes a body that is too long, and Refused for invalid base64.
    """
    body: str = event.get("body") or ""
    if len(body) > MAX_BODY * 4 // 3 + 4:
        raise TooLarge
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except ValueError:
            raise Refused("body is not base64") from None
    return body.encode(errors="surrogatepass")


def _answer(outcome: str, status: int, message: str) -> dict[str, Any]:
    count(f"webhook_{outcome}")
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": message}),
    }
