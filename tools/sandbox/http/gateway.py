"""What happens to every API request before and after its handler."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tools.sandbox import ratelimits
from tools.sandbox.errors import CodatError, unauthorized
from tools.sandbox.faults import Fault, Reset
from tools.sandbox.http.connections import abort
from tools.sandbox.http.exchange import Answer, Call, Handler
from tools.sandbox.idempotency import METHODS
from tools.sandbox.ratelimits import TooManyRequests
from tools.sandbox.runtime import Sandbox

log = logging.getLogger("sandbox")

_ANY = re.compile("")

type Endpoint = Callable[[Request], Awaitable[Response]]


class ConnectionCut(Exception):  # not an error: it was asked for
    """The client is to get no answer."""


class Gateway:
    """Key, limits, faults and idempotency around the handlers of Codat's API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, handler: Handler) -> Endpoint:
        """The handler as the web framework wants it."""

        async def respond(request: Request) -> Response:
            call = await _call(request)
            self._sandbox.tick()
            logged = self._sandbox.requests.add(
                self._sandbox.world.now,
                call.method,
                call.path,
                query=call.raw_query,
                body=call.body,
                idempotency_key=call.idempotency_key,
            )
            try:
                answer = await self._admit(request, call, handler)
            except ConnectionCut:
                await abort(request)
                return Response(status_code=500)
            logged.status = answer.status
            logged.replayed = answer.replayed
            self._sandbox.wake()
            return _response(answer, ratelimits.headers(self._sandbox.world))

        return respond

    async def _admit(self, request: Request, call: Call, handler: Handler) -> Answer:
        if not self._authorized(request):
            return _failure(unauthorized())
        world, limits = self._sandbox.world, self._sandbox.limits
        company_id = call.params.get("company_id")
        address = request.client.host if request.client else ""
        try:
            limits.admit(world, address, company_id, self._sandbox.wall())
        except TooManyRequests as refusal:
            wait = ratelimits.retry_after(world, refusal.wait)
            return _failure(refusal.answer, {"Retry-After": wait})
        try:
            return await self._once(call, handler)
        finally:
            limits.release(company_id)

    async def _once(self, call: Call, handler: Handler) -> Answer:
        """Carry the request out, unless its idempotency key has an answer already."""
        key = call.idempotency_key if call.method in METHODS else None
        if key is None:
            return await self._carry_out(call, handler, key)
        try:
            kept = self._sandbox.keys.begin(key, _fingerprint(call), self._sandbox.world.now)
        except CodatError as error:
            return _failure(error)
        if kept is not None and kept.status is not None:
            body = json.loads(kept.body) if kept.body else None
            return Answer(kept.status, body, replayed=True)
        try:
            return await self._carry_out(call, handler, key)
        except asyncio.CancelledError:
            self._sandbox.keys.abandon(key)
            raise

    async def _carry_out(self, call: Call, handler: Handler, key: str | None) -> Answer:
        fault = self._sandbox.faults.take(call.method, call.path)
        if fault:
            await asyncio.sleep(fault.latency_seconds)
            if fault.reset is Reset.BEFORE:
                if key:
                    self._sandbox.keys.abandon(key)
                raise ConnectionCut
        answer = _faulty(fault) if fault and fault.status else self._handle(call, handler)
        if key:
            now = self._sandbox.world.now
            self._sandbox.keys.finish(key, answer.status, answer.text(), now)
        if fault and fault.reset is Reset.AFTER:
            raise ConnectionCut
        return answer

    def _handle(self, call: Call, handler: Handler) -> Answer:
        self._sandbox.tick()
        try:
            return handler(self._sandbox, call)
        except CodatError as error:
            return _failure(error)
        except Exception:
            log.exception("the sandbox failed at a request", extra={"path": call.path})
            return _faulty(Fault("*", _ANY, 1, status=500))

    def _authorized(self, request: Request) -> bool:
        """Basic and the encoded key alone: no user name, no colon (FACTS §1.1)."""
        expected = base64.b64encode(self._sandbox.options.api_key.encode())
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), expected)


async def _call(request: Request) -> Call:
    return Call(
        method=request.method,
        path=request.url.path,
        params=request.path_params,
        query=request.query_params,
        raw_query=request.url.query,
        body=await request.body(),
        idempotency_key=request.headers.get("idempotency-key"),
    )


def _fingerprint(call: Call) -> str:
    whole = f"{call.method} {call.path}?{call.raw_query}\n".encode() + call.body
    return hashlib.sha256(whole).hexdigest()


def _failure(error: CodatError, headers: dict[str, str] | None = None) -> Answer:
    return Answer(error.status, error.body(uuid.uuid4().hex), headers or {})


def _faulty(fault: Fault) -> Answer:
    status = fault.status or 500
    standard = CodatError(status, _FAULT_TEXTS.get(status, "A fault that was asked for."))
    body = fault.body if fault.body is not None else standard.body(uuid.uuid4().hex)
    return Answer(status, body, fault.headers)


def _response(answer: Answer, limits: dict[str, str]) -> Response:
    headers = limits | answer.headers
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    return Response(
        answer.text(), status_code=answer.status, headers=headers, media_type="application/json"
    )


_FAULT_TEXTS = {
    401: "Unauthorized",
    402: "You have exceeded the 50-company limit that applies to a Free plan. We recommend that "
    "you delete any companies you no longer need and retry the request.",
    403: "You are using an outdated API key or a key not associated with that resource.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}
