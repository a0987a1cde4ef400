"""System tests share one local stack: the real template, deployed, with IAM enforcement on."""

import uuid

import pytest

from tests.support.system.hub import Hub, Silent
from tests.support.system.projection import listening
from tools.local.stack import LocalStack, Options


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory):
    stack = LocalStack(tmp_path_factory.mktemp("hub"), Silent(), Options())
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def hub(local_stack):
    return Hub(local_stack)


@pytest.fixture(scope="session")
def projection(hub):
    return listening(hub)


@pytest.fixture
def company():
    return str(uuid.uuid4())
