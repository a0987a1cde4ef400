"""Lambda: one event from the queue -> its records in the bucket; or the event again, later."""

import json
import os
import random
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import boto3

from .codat import Codat, Wait
from .landing import Landing, OutOfTime

_LONGEST_DELAY: Final = 900  # seconds, by SQS
_FIRST_WAIT: Final = 30.0
_A_DAY: Final = 86_400.0
# MaximumConcurrency in template.yaml is 2: each has half of the pace.
_PAUSE: Final = 2 * 60 / float(os.environ["READS_PER_MINUTE"])  # seconds
# A page takes less: its pause, its call (30 s at most) and its file.
_PAGE: Final = 1000 * (_PAUSE + 60)  # milliseconds

s3: Any = boto3.client("s3")
sqs: Any = boto3.client("sqs")
secrets = boto3.client("secretsmanager")


def _read_key() -> str:
    """Return the API key, which can do everything at Codat (docs/codat.md, C69). Never log it."""
    secret = secrets.get_secret_value(SecretId=os.environ["CODAT_API_KEY"])
    return secret["SecretString"].strip()


codat = Codat(
    os.environ["CODAT_BASE_URL"],
    _read_key,
    _PAUSE,
)


@dataclass(frozen=True)
class Waiting:
    """How long an event waits for Codat, in its message; times are Unix seconds."""

    since: float
    until: float = 0.0
    tries: int = 0

    @classmethod
    def of(cls, message: dict[str, Any]) -> "Waiting":
        """Read it from a message. An event that has not waited yet starts now."""
        kept = message.get("messageAttributes", {}).get("waiting")
        return cls(**json.loads(kept["stringValue"])) if kept else cls(time.time())

    def after(self, wait: Wait, *, progress: bool) -> "Waiting":
        """Return the next wait: what Codat asks for, else twice as long as the last one."""
        tries = 0 if progress else self.tries
        longest = min(_FIRST_WAIT * 2**tries, _LONGEST_DELAY)
        seconds = random.uniform(longest / 2, longest) if wait.seconds is None else wait.seconds
        since = time.time() if progress else self.since
        return Waiting(since, time.time() + seconds, tries + 1)


def handler(event: dict[str, Any], context: Any) -> None:
    """Handle one message. An exception leaves it in the queue: ten times, then a dead letter."""
    (message,) = event["Records"]
    waiting = Waiting.of(message)
    if waiting.until > time.time():
        _send_again(message, waiting)
        return
    landing = Landing(
        codat,
        s3,
        os.environ["BUCKET"],
        page_size=int(os.environ["PAGE_SIZE"]),
        data_types=frozenset(filter(None, os.environ["DATA_TYPES"].split(","))),
        has_time=lambda: context.get_remaining_time_in_millis() > _PAGE,
    )
    try:
        landing.land(json.loads(message["body"]))
    except OutOfTime:
        _send_again(message, Waiting(time.time()))
    except Wait as wait:
        progress = landing.landed > 0
        if not progress and time.time() - waiting.since > _A_DAY:
            raise
        print(json.dumps({"message": "waits for Codat", "why": str(wait), "tries": waiting.tries}))
        _send_again(message, waiting.after(wait, progress=progress))


def _send_again(message: dict[str, Any], waiting: Waiting) -> None:
    """Send a copy, which counts its receives anew: waiting makes no dead letter."""
    delay = min(max(0.0, waiting.until - time.time()), _LONGEST_DELAY)
    kept = {"DataType": "String", "StringValue": json.dumps(asdict(waiting))}
    sqs.send_message(
        QueueUrl=os.environ["QUEUE_URL"],
        MessageBody=message["body"],
        DelaySeconds=round(delay),
        MessageAttributes={"waiting": kept},
    )
