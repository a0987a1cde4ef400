"""`python -m tools.sign_event FILE [SECRET]`: prints an example webhook event, signed now.

    python -m tools.sign_event events/receive_webhook.json | sam local invoke -e - \\
        ReceiveWebhookFunction

The hub refuses a webhook five minutes after it was signed, so the event on disk is too old.
"""

import base64
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

EXAMPLE_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105  # invented, for events/


def sign_event(event: dict[str, Any], secret: str, now: datetime) -> dict[str, Any]:
    """Return the API Gateway event, signed with `secret` at `now`."""
    headers = event["headers"]
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    signature = Webhook(secret).sign(headers["webhook-id"], now, body.decode())
    fresh = {"webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return {**event, "headers": {**headers, **fresh}}


def main() -> None:
    if len(sys.argv) not in {2, 3}:
        raise SystemExit("usage: python -m tools.sign_event FILE [SECRET]")
    event = json.loads(Path(sys.argv[1]).read_text())
    secret = sys.argv[2] if len(sys.argv) == 3 else EXAMPLE_SECRET
    print(json.dumps(sign_event(event, secret, datetime.now(UTC)), indent=2))


if __name__ == "__main__":
    main()
