"""Logs and the audit of callers hold ids, never names, e-mails or bodies: erasure skips them.

A new field of a log line is a decision, as a new permission is.
"""

import ast
import re

import pytest

from tools.template import RESOURCES, ROOT

SOURCES = sorted((ROOT / "functions").rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "append_keys"}
# Ids of the hub, of Codat and of AWS; `by`, `caller`, `requested_by`: the ARN of who called.
IDS = {
    *("api_request_id", "bound_to", "by", "caller", "company_id", "consumer", "item"),
    *("message_id", "migration_id", "product", "reconcile_id", "replay_id", "reported"),
    *("requested_by", "resend_id", "rule", "tail_id", "webhook_id"),
}
# Texts of the hub's own; `cause` and `why` may quote Codat, without what a request said of people.
OWN_TEXTS = {
    *("cause", "change", "detail", "direction", "fault", "kind", "outcome", "reason", "status"),
    *("step", "waiting_for", "why"),
}
NUMBERS_AND_TIMES = {
    *("attempt", "closed", "counts", "done", "drift", "dry_run", "exc_info", "hours", "next"),
    *("opened", "position", "probe_at", "sent", "served", "skipped", "slot"),
}
# What API Gateway may write of a request: no header, no body, no query.
CONTEXT = {
    *("requestId", "requestTimeEpoch", "identity.sourceIp", "identity.userArn", "httpMethod"),
    *("path", "resourcePath", "status", "error.responseType", "responseLatency"),
    "responseLength",
}


def log_calls():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level)):
                    if level in LEVELS:
                        yield f"{path.name}:{node.lineno}", level, node


CALLS = list(log_calls())


def test_the_lines_are_found():
    assert len(CALLS) > 60


@pytest.mark.parametrize(("where", "level", "call"), CALLS, ids=[where for where, _, _ in CALLS])
def test_a_log_line_has_a_fixed_message_and_known_fields(where, level, call):
    if level != "append_keys":
        (message,) = call.args
        assert isinstance(message, ast.Constant), "a message with data in it"
    fields = {keyword.arg for keyword in call.keywords}
    assert fields - {None} <= IDS | OWN_TEXTS | NUMBERS_AND_TIMES
    if None in fields:  # the facts of a webhook: its type and ids
        (given,) = [keyword.value for keyword in call.keywords if keyword.arg is None]
        assert ast.unparse(given) == "asdict(facts)"


@pytest.mark.parametrize("api", ["WebhooksApi", "ControlApi"])
def test_an_access_log_names_the_request_and_the_caller_only(api):
    written = RESOURCES[api]["Properties"]["AccessLogSetting"]["Format"]
    assert set(re.findall(r"\$context\.([\w.]+)", written)) <= CONTEXT


def test_no_path_of_the_control_api_takes_a_name():
    contract = (ROOT / "openapi" / "control-api.json").read_text()
    taken = set(re.findall(r"\{(\w+)\}", "".join(re.findall(r'"(/[^"]*)":', contract))))
    assert taken
    assert all(name.endswith("_id") or name == "product" for name in taken), taken
