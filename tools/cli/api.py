"""The control API, called: the only module of these tools that knows its wire format.

Answers are JSON; a list comes in pages `{"<items>": [...], "next_cursor": text or null}`; a refusal
is `application/problem+json`: `{type, title, status, detail, errors: [{field, message, value?,
allowed?}], correlation_id?}`. What API Gateway itself refuses is JSON too,
with `message` or as a problem, of another content type.
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
pause: Callable[[float], None] = time.sleep


class ControlApi:
    """Raises Refused or Unanswered, both with a sentence for a person.

    Repeated by itself is only what may be: a GET, a POST (its Idempotency-Key stays the same), and
    whatever never reached the API. `who`: the identity that signs, for messages.
    """

    def __init__(self, http: httpx.Client, who: str = "your AWS identity") -> None:
        self._http = http
        self._who = who

    def get(self, path: str, **filters: Any) -> Json:
        return self._call("GET", path, params=filters)

    def put(self, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> Json:
        return self._call("PUT", path, body=body, params=options)

    def delete(self, path: str, **options: Any) -> Json:
        return self._call("DELETE", path, params=options)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Json:
        """Call with an Idempotency-Key, a new one unless given."""
        return self._call("POST", path, body=body or {}, key=key or str(uuid.uuid4()))

    def pages(self, path: str, items: str, **filters: Any) -> Iterator[list[Json]]:
        """Walk through a list, page by page, as long as the API names a next one."""
        cursor = None
        seen: set[str] = set()
        while True:
            answer = self.get(path, **filters, cursor=cursor)
            yield answer[items]
            cursor = answer.get("next_cursor")
            if cursor is None:
                return
            if cursor in seen:
                raise Unanswered(f"GET {path} goes round in circles: the same page came twice.")
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
                raise self._unanswered(method, path, error, reached=reached) from error
            if not (left and repeatable and answer.status_code in _TRY_LATER):
                return self._read(answer)
            pause(_length_of_pause(left, answer.headers.get("Retry-After")))
        raise AssertionError("unreachable")

    def _unanswered(
        self, method: str, path: str, error: httpx.HTTPError, *, reached: bool
    ) -> Unanswered:
        where = f"{self._http.base_url.scheme}://{self._http.base_url.netloc.decode()}"
        if not reached:
            why = f"The control API at {where} cannot be reached: {error}"
            return Unanswered(why, "Nothing was changed. Look whether the stack is up.")
        what = f"No answer to {method} {path} from {where}: {error or type(error).__name__}"
        again = "Whether it took effect is not known. Give the same command again: it finishes."
        return Unanswered(what, None if method == "GET" else again)

    def _read(self, answer: httpx.Response) -> Json:
        if not answer.is_success:
            raise self._refused(answer)
        if not answer.content:
            return {}
        try:
            value: Json = answer.json()
        except ValueError:
            raise Unanswered(
                f"{answer.request.url} answered with something that is not JSON.",
                "Is this the control API? Look at the stack's output ControlApiUrl.",
            ) from None
        return value

    def _refused(self, answer: httpx.Response) -> Refused:
        status, called = answer.status_code, _called(answer.request)
        problem = _json_object(answer)
        said = problem.get("message") or problem.get("Message") or problem.get("detail")
        said = said or answer.reason_phrase
        if status == 403:  # from the gateway, always: the hub itself never answers so
            hint = "Ask for the policy ControlApiOperator, or use another AWS_PROFILE."
            return Refused(status, f"{self._who} may not call {called}: {said}", hint=hint)
        if not answer.headers.get("Content-Type", "").startswith(_PROBLEM):
            return Refused(status, f"{called} was answered {status}: {said}", hint=_hint(status))
        what = str(problem.get("detail") or problem.get("title") or f"{called}: {status}")
        if correlation_id := problem.get("correlation_id"):
            what += f" (Codat's correlation id: {correlation_id})"
        errors = tuple(map(_field_error, problem.get("errors") or ()))
        return Refused(status, what, errors, _hint(status))


@contextmanager
def connected(
    url: str,
    credentials: "Credentials",
    region: str,
    who: str = "your AWS identity",
    transport: httpx.BaseTransport | None = None,
) -> Iterator[ControlApi]:
    """Open the control API at its base URL, signing with these credentials."""
    with httpx.Client(
        base_url=url.rstrip("/") + "/",
        auth=SigV4(credentials, region),
        timeout=_TIMEOUT,
        transport=transport,
        trust_env=False,  # a signature must not travel through whatever a proxy variable names
    ) as http:
        yield ControlApi(http, who)


def segment(text: str) -> str:
    """Spell an identifier as one segment of a path.

    Raises Misused for what would name another path, such as all companies instead of one.
    """
    if text in {"", ".", ".."}:
        raise Misused(f"{text!r} is no identifier.", "Nothing was changed.")
    return quote(text, safe="")


def _length_of_pause(left: int, retry_after: str | None) -> float:
    """Return the seconds before the next try: what the API asks for, else doubling, jittered."""
    if retry_after and retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_PAUSE)
    return random.uniform(0.5, 1) * 2.0 ** (_TRIES - 1 - left)


def _with_query(path: str, params: Mapping[str, Any]) -> str:
    """Append what is not None. A space is %20: of `+` signer and verifier think differently."""
    given = {name: _spelt(value) for name, value in params.items() if value is not None}
    return f"{path}?{urlencode(given, quote_via=quote, safe='')}" if given else path


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _called(request: httpx.Request) -> str:
    return f"{request.method} {request.url.path}"


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
        return "Give the same command again in a while: it finishes what was begun."
    return None
