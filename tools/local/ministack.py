"""`python -m tools.local.ministack`: MiniStack 1.5.33 with the corrections our tests rely on.

Each correction repairs a place where the emulator silently differs from AWS. Corrections use
private names of the emulator, so its version is pinned exactly. Each has a test in
tests/system/test_ministack_corrections.py.
"""

import json
import re
import time
import uuid
from collections import defaultdict
from contextvars import ContextVar
from threading import BoundedSemaphore
from typing import Any, Final

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway_v1, eventbridge, lambda_svc, scheduler
from ministack.services.cloudformation import changesets, engine, handlers, provisioners
from samtranslator.translator import transform

type Json = dict[str, Any]

_EXCEPTION_LINE: Final = re.compile(r"^(?:[\w.]+\.)?(\w+)(?::|$)")
_PLACEHOLDERS: Final = (
    "AWS::EventSchemas::Registry",
    "AWS::EventSchemas::Schema",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
)
_PROCESSES_PER_FUNCTION: Final = 4
_DEFAULT_STREAM_RETRIES: Final = 3  # AWS retries until the record expires


def sweep_schedules_often() -> None:
    """Look for due schedules twice a second instead of every ten seconds."""
    scheduler._SCHEDULE_TICK_INTERVAL = 0.5
    eventbridge._SCHEDULER_TICK_INTERVAL = 0.5


def keep_exception_names() -> None:
    """Report a function's exception by its class instead of as Runtime.HandlerError."""
    execute = lambda_svc._execute_function_warm

    def execute_naming_errors(func: Json, event: Json, request_id: str) -> Json:
        result: Json = execute(func, event, request_id)
        body = result.get("body")
        if isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = _raised_class(result.get("log", "")) or body["errorType"]
        return result

    lambda_svc._execute_function_warm = execute_naming_errors


def _raised_class(log: str) -> str | None:
    """Return the class on the first unindented line after the last traceback's heading."""
    outer = [line for line in log.splitlines() if line and not line[0].isspace()]
    headings = [n for n, line in enumerate(outer) if line.startswith("Traceback (most recent")]
    if not headings or headings[-1] + 1 == len(outer):
        return None
    raised = _EXCEPTION_LINE.match(outer[headings[-1] + 1])
    return raised[1] if raised else None


def bound_function_processes() -> None:
    """Limit the processes of a function, because each takes 80 MB and a cold start."""
    execute = lambda_svc._execute_function_warm
    places: defaultdict[str, BoundedSemaphore] = defaultdict(
        lambda: BoundedSemaphore(_PROCESSES_PER_FUNCTION)
    )

    def execute_in_turn(func: Json, event: Json, request_id: str) -> Json:
        with places[(func.get("config") or func)["FunctionName"]]:
            result: Json = execute(func, event, request_id)
        return result

    lambda_svc._execute_function_warm = execute_in_turn


def fill_schedule_attributes() -> None:
    """Replace `<aws.scheduler.…>` in a schedule's input, as EventBridge Scheduler does."""
    invoke = eventbridge._invoke_target

    def invoke_filled(target: Json, event: Json, rule: Json, view: Any = None) -> Any:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            attributes = {
                "scheduled-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["Time"])),
                "execution-id": str(uuid.uuid4()),
                "attempt-number": "1",
                "schedule-arn": event["Resources"][0],
            }
            for name, value in attributes.items():
                filled = target["Input"].replace(f"<aws.scheduler.{name}>", value)
                target = {**target, "Input": filled}
        return invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_filled


def count_schedule_groups_in_iam() -> None:
    """Check a schedule's permission under its own group instead of under `default`."""
    extract = iam_actions.extract_resource_arn

    def extract_with_group(
        service: str, method: str, path: str, headers: Json, *request: Any
    ) -> Any:
        body, query = request[:2]
        arn = extract(service, method, path, headers, *request)
        if service == "scheduler" and ":schedule/default/" in arn:
            group = (query.get("groupName") or [None])[0]
            group = group or (json.loads(body).get("GroupName") if body else None)
            arn = arn.replace(":schedule/default/", f":schedule/{group or 'default'}/")
        return arn

    iam_actions.extract_resource_arn = extract_with_group


def count_a_batch_of_messages_as_sending() -> None:
    """Check SQS batch calls under the action of the single call, the only action that IAM has."""
    extract = iam_actions.extract_iam_action
    batches = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")

    def extract_single(*request: Any) -> str | None:
        action = extract(*request)
        single = (action or "").removesuffix("Batch")
        return single if single in batches else action

    iam_actions.extract_iam_action = extract_single


def honour_rest_api_extensions() -> None:
    """Keep the resource policy and the gateway responses of a SAM API's definition."""
    import_api = apigateway_v1._import_rest_api

    def import_with_extensions(spec: Json, base: Json | None = None) -> str:
        base = dict(base or {})
        base["policy"] = base.get("policy") or spec.get("x-amazon-apigateway-policy")
        api_id: str = import_api(spec, base)
        responses = spec.get("x-amazon-apigateway-gateway-responses") or {}
        for kind, response in responses.items():
            apigateway_v1._put_gateway_response(api_id, kind, response)
        return api_id

    apigateway_v1._import_rest_api = import_with_extensions


def give_parameters_to_sam() -> None:
    """Give the SAM transform the parameters' values instead of the template's defaults."""
    values: ContextVar[Json] = ContextVar("parameters of the running transform")
    apply, expand = engine._apply_transforms, transform.transform

    def apply_with_values(template: Json, provided: Any = None, previous: Any = None) -> Json:
        values.set(engine._transform_parameters(template, provided, previous))
        return apply(template, provided, previous)  # type: ignore[no-any-return]

    def expand_with_values(template: Json, _none: Json, policies: Any) -> Json:
        return expand(template, values.get(), policies)  # type: ignore[no-any-return]

    changesets._apply_transforms = handlers._apply_transforms = apply_with_values
    transform.transform = expand_with_values


def accept_unknown_resources() -> None:
    """Accept the few resource types of the template that the emulator does not know."""
    placeholder = {
        "create": lambda lid, props, stack: (
            f"{stack}-{lid}",
            {**props, "Arn": f"arn:aws:local:::{lid}"},
        ),
        "update": lambda physical_id, *_args, **_kwargs: (physical_id, {}),
        "delete": lambda _physical_id, _props: None,
    }
    for kind in _PLACEHOLDERS:
        provisioners._RESOURCE_HANDLERS.setdefault(kind, placeholder)


def make_archives_from_templates() -> None:
    """Make an EventBridge archive where a template has one."""

    def create(logical_id: str, props: Json, stack: str) -> tuple[str, Json]:
        name = props.get("ArchiveName") or f"{stack}-{logical_id}"
        eventbridge._create_archive(_archive(name, props))
        return name, {"Arn": eventbridge._archives[name]["ArchiveArn"]}

    def update(name: str, _before: Json, props: Json, *_more: Any, **_named: Any) -> Any:
        eventbridge._update_archive(_archive(name, props))
        return name, {"Arn": eventbridge._archives[name]["ArchiveArn"]}

    provisioners._RESOURCE_HANDLERS["AWS::Events::Archive"] = {
        "create": create,
        "update": update,
        "delete": lambda name, _props: eventbridge._delete_archive({"ArchiveName": name}),
    }


def _archive(name: str, props: Json) -> Json:
    pattern = props.get("EventPattern", "")
    return {
        "ArchiveName": name,
        "EventSourceArn": props["SourceArn"],
        "EventPattern": pattern if isinstance(pattern, str) else json.dumps(pattern),
        "RetentionDays": int(props.get("RetentionDays", 0)),
    }


def replay_to_named_rules_only() -> None:
    """Hand a replayed event to the rules of FilterArns only, until the replay is cancelled."""
    invoke, cancel = eventbridge._invoke_target, eventbridge._cancel_replay

    def invoke_named(target: Json, event: Json, rule: Json, view: Any = None) -> Any:
        replay = eventbridge._replays.get(event.get("ReplayName") or "")
        if replay is not None:
            named = (replay.get("Destination") or {}).get("FilterArns")
            if replay["State"] == "CANCELLED" or (named and rule["Arn"] not in named):
                return None
            replay["EventLastReplayedTime"] = event["Time"]
        return invoke(target, event, rule, view)

    def cancel_for_good(request: Json) -> Any:
        answer = cancel(request)
        name = request.get("ReplayName")
        if name in eventbridge._replays:
            # The thread of the replay would set its own copy to COMPLETED.
            eventbridge._replays[name] = dict(eventbridge._replays[name])
        return answer

    eventbridge._invoke_target = invoke_named
    eventbridge._cancel_replay = cancel_for_good


def name_event_resources_in_iam() -> None:
    """Check permissions for replays, archives and targets under the ARNs that AWS names."""
    extract = iam_actions.extract_resource_arn

    def extract_named(service: str, method: str, path: str, headers: Json, *request: Any) -> Any:
        arn = extract(service, method, path, headers, *request)
        if service != "events":
            return arn
        body = json.loads(request[0] or b"{}")
        account = f"arn:aws:events:{get_region()}:{get_account_id()}"
        if rule := body.get("Rule"):  # PutTargets, RemoveTargets, ListTargetsByRule
            return f"{account}:rule/{body.get('EventBusName') or 'default'}/{rule}"
        for kind in ("Replay", "Archive"):
            if name := body.get(f"{kind}Name"):
                return f"{account}:{kind.lower()}/{name}"
        return arn

    iam_actions.extract_resource_arn = extract_named


def retry_stream_batches() -> None:
    """Add partial failures, bisection, a retry limit and a DLQ to DynamoDB stream batches."""
    execute = lambda_svc._execute_function

    def execute_batch(func: Json, event: Any) -> Json:
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb":
            return execute(func, event)  # type: ignore[no-any-return]
        mapping = _stream_mapping(func, records[0]["eventSourceARN"])
        if mapping is None:
            return execute(func, event)  # type: ignore[no-any-return]
        return _run_stream_batch(execute, func, mapping, records)

    lambda_svc._execute_function = execute_batch


def _stream_mapping(func: Json, stream_arn: str) -> Json | None:
    name = (func.get("config") or func).get("FunctionName")
    mappings = lambda_svc._esms.values()
    return next(
        (m for m in mappings if (m["EventSourceArn"], m["FunctionName"]) == (stream_arn, name)),
        None,
    )


def _run_stream_batch(execute: Any, func: Json, mapping: Json, records: list[Json]) -> Json:
    limit = mapping.get("MaximumRetryAttempts")
    limit = _DEFAULT_STREAM_RETRIES if limit in (None, -1) else limit
    partial = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
    arn = records[0]["eventSourceARN"]
    result: Json = {}
    work = [(list(records), 0)]
    while work:
        batch, tries = work.pop(0)
        result = execute(func, {"Records": batch})
        first_failed = _first_failed(result, batch, partial)
        if first_failed is None:
            continue
        batch = batch[first_failed:]
        if tries >= limit:
            lambda_svc._send_ddb_stream_failure_record(
                mapping, func, batch, arn, result, "RetryAttemptsExhausted"
            )
        elif mapping.get("BisectBatchOnFunctionError") and len(batch) > 1:
            half = len(batch) // 2  # a bisection is not a retry
            work[:0] = [(batch[:half], tries), (batch[half:], tries)]
        else:
            work.insert(0, (batch, tries + 1))
    return {"body": {}, "log": result.get("log", "")}


def _first_failed(result: Json, batch: list[Json], partial: bool) -> int | None:
    """Return the index of the first record to retry, None if the batch succeeded."""
    if result.get("error"):
        return 0
    body = result.get("body") if partial else None
    failures = (body.get("batchItemFailures") if isinstance(body, dict) else None) or []
    failed = {failure.get("itemIdentifier") for failure in failures}
    if not failed:
        return None
    numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
    return next((n for n, number in enumerate(numbers) if number in failed), 0)


def main() -> None:
    sweep_schedules_often()
    keep_exception_names()
    bound_function_processes()
    fill_schedule_attributes()
    count_schedule_groups_in_iam()
    count_a_batch_of_messages_as_sending()
    honour_rest_api_extensions()
    give_parameters_to_sam()
    accept_unknown_resources()
    make_archives_from_templates()
    replay_to_named_rules_only()
    name_event_resources_in_iam()
    retry_stream_batches()
    app.main()


if __name__ == "__main__":
    main()
