"""The sandbox's real process, and a real consumer for its webhooks."""

import base64
import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tools.samconfig import ROOT

# Long enough for a machine under load; no test that succeeds waits for it.
PATIENCE_SECONDS = 30


def command(*arguments):
    return [sys.executable, "-m", "tools.sandbox", *map(str, arguments)]


def run_to_end(*arguments):
    """Run a command that ends by itself."""
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@dataclass
class Running:
    """A sandbox's process and a client with its key."""

    process: subprocess.Popen
    ready: dict
    client: httpx.Client

    def portal(self, path, /, **body):
        answer = self.client.post(f"/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def running(*arguments):
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ready = json.loads(process.stdout.readline())
        key = base64.b64encode(ready["api_key"].encode()).decode()
        headers = {"Authorization": f"Basic {key}"}
        with httpx.Client(base_url=ready["url"], headers=headers, trust_env=False) as client:
            yield Running(process, ready, client)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def eventually(condition, what="the condition"):
    """Wait until a condition is true, and return its value."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true in {PATIENCE_SECONDS} s"
        time.sleep(0.02)
    return found


@dataclass
class Consumer:
    """A webhook endpoint that answers each status in turn, then always the last one."""

    statuses: list = field(default_factory=lambda: [200])
    received: list = field(default_factory=list)
    url: str = ""
    headers: dict = field(default_factory=dict)

    def answer(self, headers, body):
        self.received.append((dict(headers), body))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextlib.contextmanager
def consuming(*statuses):
    consumer = Consumer(list(statuses) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(consumer.answer(headers, body))
            for name, value in consumer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    consumer.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield consumer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
