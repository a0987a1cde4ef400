"""The local stack's Codat: its webhook consumers at the hub, and a client for it."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


def subscribe(
    codat: dict[str, Any], webhooks_url: str, subscriptions: dict[str, list[str]]
) -> dict[str, list[str]]:
    """Make these the sandbox's only webhook consumers at the hub; return their secrets.

    A consumer with the URL of an earlier deployment is removed.
    """
    with codat_client(codat) as client:
        wanted = {f"{webhooks_url}/{name}": name for name in subscriptions}
        present = {}
        for consumer in _answer(client.get("/webhooks"))["results"]:
            if consumer["url"] in wanted:
                present[consumer["url"]] = consumer["id"]
            elif "/webhooks/codat/" in consumer["url"]:
                client.delete(f"/webhooks/{consumer['id']}").raise_for_status()
        accepted = {}
        for url, name in wanted.items():
            if url not in present:
                body = {"url": url, "eventTypes": subscriptions[name]}
                present[url] = _answer(client.post("/webhooks", json=body))["id"]
            secret_path = f"/_sandbox/webhooks/{present[url]}/secret"
            accepted[name] = _answer(client.get(secret_path))["secrets"]
    return accepted


@contextmanager
def codat_client(codat: dict[str, Any]) -> Iterator[httpx.Client]:
    """Open a client that sends the sandbox's API key."""
    key = base64.b64encode(codat["api_key"].encode()).decode()
    headers = {"Authorization": f"Basic {key}"}
    with httpx.Client(base_url=codat["url"], headers=headers, timeout=10) as client:
        yield client


def is_healthy(codat: dict[str, Any]) -> bool:
    try:
        return httpx.get(f"{codat['url']}/_sandbox/health", timeout=30).is_success
    except httpx.HTTPError:
        return False


def _answer(response: httpx.Response) -> Any:
    response.raise_for_status()
    return response.json()
