"""Scene: a product needs a consent, and a revocation removes only that product."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from tools.cli.api import ControlApi, connected
from tools.cli.failures import Refused
from tools.demo.hub import Hub
from tools.demo.story import Scene, Story

type Json = dict[str, Any]

_KEPT: Final = "lending"
_PRODUCT: Final = "invoice-finance"


class _Watched(httpx.HTTPTransport):
    """Records every answer in the scene."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        started = time.monotonic()
        answer = super().handle_request(request)
        self._scene.answered(answer.status_code, time.monotonic() - started, "")
        return answer


def play(story: Story, hub: Hub) -> None:
    with (
        story.scene("a product needs a consent, a revocation removes it") as scene,
        _control_api(hub, scene) as api,
    ):
        _run(scene, hub, api)


@contextmanager
def _control_api(hub: Hub, scene: Scene) -> Iterator[ControlApi]:
    credentials = hub.local.emulator.credentials()
    url, region = hub.stack["api_url"], hub.stack["region"]
    with connected(url, credentials, region, transport=_Watched(scene)) as api:
        yield api


def _run(scene: Scene, hub: Hub, api: ControlApi) -> None:
    products = {product["product"]: product for product in api.get("products")["products"]}
    created = api.post(
        "companies",
        {
            "name": "Lantern Wharf Ceramics Ltd",
            "products": [_KEPT],
            "consents": {_KEPT: _consent(products[_KEPT]["data_types"])},
        },
    )
    company = created["company_id"]
    scene.expect("a company is created with its product", _at_codat(hub, company) == {_KEPT})

    wanted = products[_PRODUCT]["data_types"]
    scene.expect(
        "without consent the second product is refused", _refused(api, company) == set(wanted)
    )
    consent = f"companies/{company}/consents/{_PRODUCT}"
    api.put(consent, _consent(wanted[:1]))
    scene.expect(
        "the refusal names the missing data types", _refused(api, company) == set(wanted[1:])
    )
    scene.expect("Codat still has the first product only", _at_codat(hub, company) == {_KEPT})

    api.put(consent, _consent(wanted))
    api.put(f"companies/{company}/products/{_PRODUCT}")
    scene.expect("with consent it is added", _at_codat(hub, company) == {_KEPT, _PRODUCT})

    api.delete(consent, reason="the customer asked")
    scene.expect("a revocation removes that product only", _at_codat(hub, company) == {_KEPT})
    consents = {
        consent["product"]: consent
        for consent in api.get(f"companies/{company}/consents")["consents"]
    }
    scene.expect("the consent is recorded as revoked", bool(consents[_PRODUCT]["revoked_at"]))
    scene.expect("the other consent stays", consents[_KEPT]["revoked_at"] is None)


def _consent(data_types: list[str]) -> Json:
    return {"granted_by": "owner@ceramics.example", "text_version": "1", "data_types": data_types}


def _refused(api: ControlApi, company: str) -> set[object]:
    """Try to add the product; return the data types that the refusal names as missing."""
    try:
        api.put(f"companies/{company}/products/{_PRODUCT}")
    except Refused as refused:
        return {error.value for error in refused.errors} if refused.status == 409 else set()
    return set()


def _at_codat(hub: Hub, company: str) -> set[str]:
    return set(hub.codat("GET", f"/companies/{company}")["products"])
