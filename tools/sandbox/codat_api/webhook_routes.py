"""Codat's API: webhook consumers."""

from tools.sandbox.http.exchange import Answer, Call
from tools.sandbox.runtime import Sandbox
from tools.sandbox.webhooks import consumers


def list_consumers(sandbox: Sandbox, _: Call) -> Answer:
    """GET /webhooks: all of them, not paged."""
    every = sandbox.office.state.consumers.values()
    return Answer(200, {"results": [consumers.view(consumer) for consumer in every]})


def create_consumer(sandbox: Sandbox, call: Call) -> Answer:
    """POST /webhooks."""
    consumer = consumers.create(sandbox.office.state, sandbox.ids, call.json_object())
    return Answer(201, consumers.view(consumer))


def delete_consumer(sandbox: Sandbox, call: Call) -> Answer:
    """DELETE /webhooks/{webhookId}."""
    consumers.delete(sandbox.office, call.params["webhook_id"])
    return Answer(204)
