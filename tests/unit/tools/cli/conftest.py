"""Commands run in process, against the control API in memory."""

import httpx
import pytest
from typer.testing import CliRunner

from tests.support.control_api import FakeControlApi
from tools.cli import api as client
from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.environments import Environment
from tools.cli.terminal import watching


@pytest.fixture
def api():
    return FakeControlApi()


@pytest.fixture
def hub(api, monkeypatch):
    """Run `hub …` in the local environment unless another is named."""
    outputs = {"ControlApiUrl": "https://hub.example/local"}
    monkeypatch.setattr(environments, "find", lambda name: Environment(name, "eu-west-2", outputs))
    monkeypatch.setattr(environments, "TRANSPORT", httpx.MockTransport(api))
    for module in (watching, client):
        monkeypatch.setattr(module, "pause", lambda _seconds: None)

    def run(*words, stdin="", env="local"):
        variables = {"HUB_ENV": env} if env else {}
        return CliRunner().invoke(app, list(words), input=stdin, env=variables)

    return run
