"""Signs requests to the control API with AWS Signature Version 4 (service `execute-api`)."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Final

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_SERVICE: Final = "execute-api"


class SigV4(httpx.Auth):
    """Signs method, URL, body and host whenever a request is sent: a signature expires quickly."""

    requires_request_body = True

    def __init__(self, credentials: "Credentials", region: str) -> None:
        self._credentials = credentials
        self._region = region

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        unsigned = AWSRequest(
            method=request.method,
            url=str(request.url),
            data=request.content,
            headers={"Host": request.headers["Host"]},
        )
        SigV4Auth(self._credentials, _SERVICE, self._region).add_auth(unsigned)
        for name, value in unsigned.headers.items():
            request.headers[name] = value
        yield request
