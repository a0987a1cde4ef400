"""Every API request passes the gateway before and after its handler."""

import asyncio
import base64
import hashlib
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tools.sandbox.http import faulty
from tools.sandbox.http.connections import abort
from tools.sandbox.http.exchange import Answer, Call, Handler
from tools.sandbox.requests import rate_limits
from tools.sandbox.requests.errors import CodatError, unauthorized
from tools.sandbox.requests.faults import Fault, Reset
from tools.sandbox.requests.idempotency import METHODS, KeptAnswer
from tools.sandbox.requests.rate_limits import TooManyRequests
from tools.sandbox.runtime import Sandbox

log = logging.getLogger("sandbox")

type Endpoint = Callable[[Request], Awaitable[Response]]


class ConnectionCut(Exception):  # not an error: it was asked for
    """The client gets no answer, because a fault asks for that."""


class Gateway:
    """Apply key, limits, faults and idempotency around the handlers of Codat's API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, handler: Handler) -> Endpoint:
        """Wrap a handler for the web framework."""

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
            return _response(answer, rate_limits.headers(self._sandbox.world))

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
            wait = rate_limits.retry_after(world, refusal)
            return _failure(refusal.answer, {"Retry-After": wait})
        try:
            return await self._once(call, handler)
        finally:
            limits.release(company_id)

    async def _once(self, call: Call, handler: Handler) -> Answer:
        """Carry out the request, unless its idempotency key already has an answer."""
        key = call.idempotency_key if call.method in METHODS else None
        if key is None:
            return await self._carry_out(call, handler, key)
        try:
            kept = self._sandbox.keys.begin(key, _fingerprint(call), self._sandbox.world.now)
        except CodatError as error:
            return _failure(error)
        if kept:
            return Answer(kept.status, raw=kept.body, headers=kept.headers, replayed=True)
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
        answer = self._outcome(fault, call, handler)
        if key:
            kept = KeptAnswer(answer.status, answer.text(), answer.headers)
            self._sandbox.keys.finish(key, kept, self._sandbox.world.now)
        if fault and fault.reset is Reset.AFTER:
            raise ConnectionCut
        return answer

    def _outcome(self, fault: Fault | None, call: Call, handler: Handler) -> Answer:
        if fault is None:
            return self._handle(call, handler)
        if fault.status:
            return faulty.answer(fault, fault.status)
        return faulty.around(fault, self._handle(call, handler))

    def _handle(self, call: Call, handler: Handler) -> Answer:
        self._sandbox.tick()
        try:
            return handler(self._sandbox, call)
        except CodatError as error:
            return _failure(error)
        except Exception:
            log.exception("the sandbox failed at a request", extra={"path": call.path})
            return faulty.failure()

    def _authorized(self, request: Request) -> bool:
        """Accept Basic with the encoded key alone, no user name, no colon (docs/codat.md, C1)."""
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
        idempotency_key=request.headers.get("idempotency-key") or None,
    )


def _fingerprint(call: Call) -> str:
    whole = f"{call.method} {call.path}?{call.raw_query}\n".encode() + call.body
    return hashlib.sha256(whole).hexdigest()


def _failure(error: CodatError, headers: dict[str, str] | None = None) -> Answer:
    return Answer(error.status, error.body(uuid.uuid4().hex), headers or {})


def _response(answer: Answer, limits: dict[str, str]) -> Response:
    headers = {name.lower(): value for name, value in (limits | answer.headers).items()}
    if text := answer.text():
        return Response(text, answer.status, headers, media_type="application/json")
    return Response(status_code=answer.status, headers=headers)
