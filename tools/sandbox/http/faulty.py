"""A fault's answer stands in place of the real answer or around it."""

import uuid
from dataclasses import replace
from typing import Final

from tools.sandbox.http.exchange import Answer
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.requests.faults import Fault

# By the rules of HTTP answers with these statuses have no body.
BODILESS: Final = frozenset({204, 304})
_RETRY_AFTER: Final = "1"


def answer(fault: Fault, status: int) -> Answer:
    """Return the fault's status with its body, or with Codat's; a text is sent as it is."""
    headers = {name.lower(): value for name, value in fault.headers.items()}
    if status == 429:
        headers.setdefault("retry-after", _RETRY_AFTER)
    if status in BODILESS:
        return Answer(status, headers=headers)
    if isinstance(fault.body, str):
        headers.setdefault("content-type", "text/plain; charset=utf-8")
        return Answer(status, raw=fault.body, headers=headers)
    return Answer(status, _body(fault, status), headers)


def around(fault: Fault, real: Answer) -> Answer:
    """Return the real answer with the headers of a fault without a status."""
    return replace(real, headers=real.headers | fault.headers)


def failure() -> Answer:
    """Return a 500, because the sandbox itself has failed."""
    return Answer(500, _standard(500))


def _body(fault: Fault, status: int) -> object:
    return _standard(status) if fault.body is None else fault.body


def _standard(status: int) -> dict[str, object]:
    words = _TEXTS.get(status, "A fault that was asked for.")
    return CodatError(status, words).body(uuid.uuid4().hex)


_TEXTS: Final = {
    401: "Unauthorized",
    402: "You have exceeded the 50-company limit that applies to a Free plan. We recommend that "
    "you delete any companies you no longer need and retry the request.",
    403: "You are using an outdated API key or a key not associated with that resource.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}
