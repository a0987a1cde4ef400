"""The kinds of faults: what Codat, or the way to it, can answer, and where AWS can fail."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ABSENT: Final = "absent"  # a Retry-After of this text is taken out of the answer


class Nature(StrEnum):
    """How a run should take a fault."""

    OUTAGE = "outage"  # it passes: the run bears it for an hour at least
    KEY = "key"  # it passes once the owner has stored a good key: 20 hours
    REFUSAL = "refusal"  # it does not pass: one company costs itself


class Cut(StrEnum):
    """When the connection breaks: before or after Codat carries the request out."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    body: text instead of Codat's error body; late: the client waits for its whole timeout;
    bad_key: the sandbox itself refuses the key; rotated: the key is replaced, and stays so;
    in_flight: a second try meets the first one; aws: where AWS fails instead, with `error`
    """

    name: str
    nature: Nature
    status: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: Cut | None = None
    late: bool = False
    bad_key: bool = False
    rotated: bool = False
    in_flight: bool = False
    aws: str = ""
    error: str = ""


_HTML: Final = "<html><head><title>403 Forbidden</title></head><body>Blocked.</body></html>"

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("400", Nature.REFUSAL, 400),
        Kind("401", Nature.KEY, bad_key=True),
        Kind("401-rotated", Nature.KEY, rotated=True),
        Kind("402", Nature.REFUSAL, 402),
        Kind("403", Nature.REFUSAL, 403),
        Kind("403-html", Nature.REFUSAL, 403, _HTML, {"Content-Type": "text/html"}),
        Kind("404", Nature.REFUSAL, 404),
        Kind("408", Nature.OUTAGE, 408),
        Kind("409", Nature.OUTAGE, 409),
        Kind("409-in-flight", Nature.OUTAGE, cut=Cut.AFTER, late=True, in_flight=True),
        Kind("429", Nature.OUTAGE, 429, headers={"Retry-After": ABSENT}),
        Kind("429-seconds", Nature.OUTAGE, 429, headers={"Retry-After": "600"}),
        Kind("429-decimal", Nature.OUTAGE, 429, headers={"Retry-After": "600.5"}),
        Kind("500", Nature.OUTAGE, 500),
        Kind("503", Nature.OUTAGE, 503),
        Kind("cut-before", Nature.OUTAGE, cut=Cut.BEFORE),
        Kind("cut-after", Nature.OUTAGE, cut=Cut.AFTER),
        Kind("timeout-before", Nature.OUTAGE, cut=Cut.BEFORE, late=True),
        Kind("timeout-after", Nature.OUTAGE, cut=Cut.AFTER, late=True),
        Kind("table-away", Nature.OUTAGE, aws="table"),
        Kind("lambda-away", Nature.OUTAGE, aws="invoke", error="Lambda.TooManyRequestsException"),
        Kind("lambda-dies", Nature.OUTAGE, aws="return", error="Runtime.ExitError"),
        Kind("no-room", Nature.OUTAGE, aws="room"),
        Kind("reader-fails", Nature.OUTAGE, aws="reader", error="States.ItemReaderFailed"),
    )
}
