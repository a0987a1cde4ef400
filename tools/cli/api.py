"""The client of the control API: the only module of the tools that knows its wire format.

Answers are JSON. A list comes in pages `{"<items>": [...], "next_cursor": text or null}`. A refusal
is `application/problem+json`: `{type, title, status, detail, errors: [{field, message, value?,
allowed?}], correlation_id?}`. A refusal by API Gateway itself is JSON with another content type.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import httpx

from tools.cli.failures import FieldError, Misused, Refused, Unanswered
from tools.cli.signing import SigV4

if TYPE_CHECKING:
    from botocore.credentials import Credentials

type Json = dict[str, Any]

_TIMEOUT: Final = httpx.Timeout(35, connect=5)  # seconds; API Gateway itself gives up after 29
_TRIES: Final = 4
_TRY_LATER: Final = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE: Final = 20.0  # seconds
_PROBLEM: Final = "application/problem+json"
_STALE_TOKEN: Final = ("expired", "security token", "signature not yet current")
SIGN_IN: Final = "Sign in to AWS again, such as with: aws sso login. Then repeat the command."
_OTHER_VERSION: Final = (
    "Check that the stack's output ControlApiUrl is the control API, and that these commands have"
    " the version of the stack: deploy it, or check out its version."
)
pause: Callable[[float], None] = time.sleep


class _Answer(dict[str, Any]):
    """A JSON object of an answer. A field that it does not have is a failure with a sentence."""

    def __missing__(self, field: str) -> Any:
        raise Unanswered(f"The control API's answer has no field {field!r}.", _OTHER_VERSION)


class ControlApi:
    """Calls the control API. Raises Refused or Unanswered, each with a message for a person.

    It repeats only requests that are safe to repeat: a GET, a POST (under the same Idempotency-Key)
    and any request that never reached the API. `identity` names the signer in messages.
    """

    def __init__(self, http: httpx.Client, identity: str = "your AWS identity") -> None:
        self._http = http
        self._identity = identity
        self._host = f"{http.base_url.scheme}://{http.base_url.netloc.decode()}"

    def get(self, path: str, **filters: Any) -> Json:
        return self._call("GET", path, params=filters)

    def put(self, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> Json:
        return self._call("PUT", path, body=body, params=options)

    def delete(self, path: str, **options: Any) -> Json:
        return self._call("DELETE", path, params=options)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        **options: Any,
    ) -> Json:
        """Call with an Idempotency-Key; without `key` it is a new one."""
        key = key or str(uuid.uuid4())
        return self._call("POST", path, body=body or {}, params=options, key=key)

    def pages(self, path: str, items: str, **filters: Any) -> Iterator[list[Json]]:
        """Yield the pages of a list. Raises Unanswered if the API returns the same page twice."""
        cursor = None
        seen: set[str] = set()
        while True:
            answer = self.get(path, **filters, cursor=cursor)
            page = answer[items]
            if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
                raise Unanswered(f"The control API's list of {items} is no list.", _OTHER_VERSION)
            yield page
            cursor = answer.get("next_cursor")
            if cursor is None:
                return
            if cursor in seen:
                raise Unanswered("The control API returned the same page of the list twice.")
            seen.add(cursor)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Json:
        repeatable = method == "GET" or key is not None
        request = self._http.build_request(
            method,
            _with_query(path.lstrip("/"), params or {}),
            json=body,
            headers={"Idempotency-Key": key} if key else None,
        )
        for left in reversed(range(_TRIES)):
            try:
                answer = self._http.send(request)
            except httpx.HTTPError as error:
                reached = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                if left and (repeatable or not reached):
                    pause(_length_of_pause(left, None))
                    continue
                raise self._unanswered(error, reached=reached, changes=method != "GET") from error
            if not (left and repeatable and answer.status_code in _TRY_LATER):
                return self._read(answer)
            pause(_length_of_pause(left, answer.headers.get("Retry-After")))
        raise AssertionError("unreachable")

    def _unanswered(self, error: httpx.HTTPError, *, reached: bool, changes: bool) -> Unanswered:
        if not reached:
            what = f"The control API at {self._host} cannot be reached: {error}"
            return Unanswered(what, "Nothing was changed. Check that the stack is up.")
        what = f"The control API at {self._host} did not answer: {error or type(error).__name__}"
        again = "Give the same command again"
        if changes:
            again = f"The change may have been made. {again}: repeating it is safe"
        return Unanswered(what, f"{again}.")

    def _read(self, answer: httpx.Response) -> Json:
        if not answer.is_success:
            raise self._refused(answer)
        if not answer.content:
            return {}
        try:
            value = answer.json(object_hook=_Answer)
        except (ValueError, RecursionError):
            raise Unanswered(
                f"The answer of {self._host} is not JSON.",
                "Check that the stack's output ControlApiUrl is the control API.",
            ) from None
        if not isinstance(value, dict):
            raise Unanswered(f"The answer of {self._host} is no JSON object.", _OTHER_VERSION)
        return value

    def _refused(self, answer: httpx.Response) -> Refused:
        status, problem = answer.status_code, _json_object(answer)
        reason = problem.get("message") or problem.get("Message") or problem.get("detail")
        reason = reason or answer.reason_phrase
        if status == 403:  # always from the gateway: the hub itself never answers 403
            hint = (
                "Ask for the policy ControlApiOperator, or ControlApiApprover to approve a "
                "migration, or use another AWS_PROFILE."
            )
            if any(word in str(reason).lower() for word in _STALE_TOKEN):
                hint = SIGN_IN
            return Refused(status, f"{self._identity} may not do this: {reason}", hint=hint)
        if not answer.headers.get("Content-Type", "").startswith(_PROBLEM):
            return Refused(
                status, f"The control API answered {status}: {reason}", hint=_hint(status)
            )
        what = str(problem.get("detail") or problem.get("title") or f"Refused with {status}.")
        if correlation_id := problem.get("correlation_id"):
            what += f" (Codat's correlation id: {correlation_id})"
        errors = tuple(map(_field_error, problem.get("errors") or ()))
        return Refused(status, what, errors, _hint(status))


@contextmanager
def connected(
    url: str,
    credentials: "Credentials",
    region: str,
    identity: str = "your AWS identity",
    transport: httpx.BaseTransport | None = None,
) -> Iterator[ControlApi]:
    """Open the control API at its base URL; these credentials sign every request."""
    with httpx.Client(
        base_url=url.rstrip("/") + "/",
        auth=SigV4(credentials, region),
        timeout=_TIMEOUT,
        transport=transport,
        trust_env=False,  # a proxy variable must not route signed requests
    ) as http:
        yield ControlApi(http, identity)


def segment(text: str) -> str:
    """Return an identifier as one segment of a path.

    Raises Misused for text that would name another path, such as all companies.
    """
    if text in {"", ".", ".."}:
        raise Misused(f"{text!r} is not an identifier.", "Nothing was changed. Give a whole id.")
    return quote(text, safe="")


def _length_of_pause(left: int, retry_after: str | None) -> float:
    """Return the seconds before the next try: the API's Retry-After, else a jittered backoff."""
    if retry_after and retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_PAUSE)
    return random.uniform(0.5, 1) * 2.0 ** (_TRIES - 1 - left)


def _with_query(path: str, params: Mapping[str, Any]) -> str:
    """Append the parameters that are not None. A space becomes %20: `+` breaks the signature."""
    given = {name: _query_text(value) for name, value in params.items() if value is not None}
    return f"{path}?{urlencode(given, quote_via=quote, safe='')}" if given else path


def _query_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_object(answer: httpx.Response) -> Json:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _field_error(error: Json) -> FieldError:
    return FieldError(
        field=str(error.get("field") or "request"),
        message=str(error.get("message") or ""),
        value=error.get("value"),
        allowed=error.get("allowed"),
    )


def _hint(status: int) -> str | None:
    if status in _TRY_LATER or status == 500:
        return "Wait a moment, then give the same command again: repeating it is safe."
    return None
