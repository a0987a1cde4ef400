"""A client of a sandbox in this process that checks every answer against Codat's specification."""

import base64
import warnings

from tests.support import codat_spec

with warnings.catch_warnings():
    # It warns that a successor of httpx is missing, which this project does not use.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY = {"Authorization": "Basic " + base64.b64encode(b"sandbox-api-key").decode()}


class CheckedClient(TestClient):
    """A client with the right key on this machine."""

    is_checked = True

    def __init__(self, app):
        here = ("127.0.0.1", 50_000)
        super().__init__(app, base_url="http://127.0.0.1", headers=KEY, client=here)

    def request(self, method, url, **options):
        answer = super().request(method, url, **options)
        path = answer.request.url.path
        if (
            self.is_checked
            and codat_spec.AT_HAND
            and not path.startswith("/_sandbox")
            and path != "/"
        ):
            body = answer.json() if answer.content else None
            assert not codat_spec.problems(method, path, answer.status_code, body)
        return answer
