"""`python -m tools.bench.sandbox_pages` measures how long the sandbox's pages take.

It starts the real process with that many companies, gives every company three products, and times
GET /companies over HTTP from one client, in milliseconds.
"""

import argparse
import base64
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).parents[2]
PRODUCTS = ("lending", "invoice-finance", "cashflow-insights")


def main(companies: int, requests: int) -> None:
    """Print a line for each kind of page."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tools.sandbox", "--minute-limit", "0"),
            *("--companies", str(companies)),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = json.loads(process.stdout.readline()) if process.stdout else {}
        print(f"{companies} companies, ready after {time.perf_counter() - began:.1f} s")
        key = base64.b64encode(ready["api_key"].encode()).decode()
        headers = {"Authorization": f"Basic {key}"}
        with httpx.Client(base_url=ready["url"], headers=headers, timeout=60) as client:
            client.post("/_sandbox/quota", json={"dailyQuota": 10**9})
            _assign_all(client)
            _measure(client, companies, requests)
    finally:
        process.terminate()
        process.wait()


def _assign_all(client: httpx.Client) -> None:
    """Give every company three products, and wait until their first reads are over."""
    calls = 0
    began = time.perf_counter()
    path: str | None = "/companies?pageSize=500"
    while path:
        page = client.get(path).raise_for_status().json()
        for company in page["results"]:
            for product in PRODUCTS:
                if product not in company["products"]:
                    client.put(f"/companies/{company['id']}/products/{product}")
                    calls += 1
        path = page["_links"].get("next", {}).get("href")
    print(f"{calls} products added in {time.perf_counter() - began:.1f} s")
    while client.get("/_sandbox/health").json()["reads"]:
        time.sleep(0.2)


def _measure(client: httpx.Client, companies: int, requests: int) -> None:
    last = max(1, companies // 100)
    kinds: dict[str, dict[str, int | str]] = {
        "first page": {"pageSize": 100},
        "middle page": {"pageSize": 100, "page": last // 2 + 1},
        "last page": {"pageSize": 100, "page": last},
        "page of 500": {"pageSize": 500},
        "by status": {"pageSize": 100, "query": "dataConnections.status=Linked"},
        "by tag": {"pageSize": 100, "tags": "region = uk"},
        "newest first": {"pageSize": 100, "orderBy": "-created"},
    }
    for name, params in kinds.items():
        times = sorted(_time(client, params) for _ in range(requests))
        median, slow = statistics.median(times), times[int(len(times) * 0.99) - 1]
        print(
            f"{name:13} median {median:6.1f} ms   99 % {slow:6.1f} ms   worst {times[-1]:6.1f} ms"
        )


def _time(client: httpx.Client, params: dict[str, int | str]) -> float:
    began = time.perf_counter()
    client.get("/companies", params=params).raise_for_status()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.sandbox_pages", description=__doc__
    )
    parser.add_argument("--companies", type=int, default=1000, help="(default 1,000)")
    parser.add_argument("--requests", type=int, default=200, help="(default 200)")
    given = parser.parse_args()
    main(given.companies, given.requests)
