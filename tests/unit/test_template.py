"""The template, as SAM transforms it, has properties that the emulator does not check."""

import fnmatch
import json
import re

import pytest

from codat_hub.refresh.domain.ticket import LOST_AFTER
from tools.checks.transforming import transformed
from tools.samconfig import ROOT, deployment
from tools.template import FUNCTIONS, RESOURCES, TEMPLATE, resources

DATA = ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket")
EXECUTIONS = (
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"
    "execution:${MigrationStateMachine.Name}:*"
).partition(".")[0]
OWN_SCHEDULES = (
    "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:"
    "schedule/${RefreshSchedules}/*"
)
EVENTS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:"
RULES = f"{EVENTS}rule/${{ProductBus}}/*"
ARCHIVE = f"{EVENTS}archive/${{AWS::StackName}}-products"
RESENDS = f"{EVENTS}replay/${{AWS::StackName}}-products-*"
TAIL_RULES = f"{EVENTS}rule/${{ProductBus}}/${{ProductBus}}-tail-*"
TAIL_QUEUES = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${ProductBus}-tail-*"
# The permissions of each function once more, because a new permission is a decision.
PERMISSIONS = {
    "ReceiveWebhookFunction": {
        ("dynamodb:PutItem", "InboxTable"),
        ("secretsmanager:GetSecretValue", "SigningSecrets"),
    },
    "ProjectReadsFunction": {
        ("dynamodb:DescribeStream", "InboxTable"),
        ("dynamodb:GetRecords", "InboxTable"),
        ("dynamodb:GetShardIterator", "InboxTable"),
        ("dynamodb:ListStreams", "*"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("events:PutEvents", "ProductBus"),
        ("sqs:SendMessage", "ProjectReadsGivenUp"),
        ("sqs:SendMessage", "RefreshQueue"),
    },
    "ArchiveConsentsFunction": {
        ("dynamodb:DescribeStream", "ConsentsTable"),
        ("dynamodb:GetRecords", "ConsentsTable"),
        ("dynamodb:GetShardIterator", "ConsentsTable"),
        ("dynamodb:ListStreams", "*"),
        ("s3:PutObject", "AuditBucket/consents/*"),
        ("sqs:SendMessage", "ArchiveConsentsGivenUp"),
    },
    "PlanRefreshesFunction": {
        ("dynamodb:BatchGetItem", "StateTable"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable/index/gsi1"),
        ("sqs:SendMessage", "RefreshQueue"),
        ("sqs:SendMessage", "ScheduleFailures"),
    },
    "DispatchRefreshesFunction": {
        ("dynamodb:BatchGetItem", "StateTable"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable/index/gsi1"),
        ("sqs:SendMessage", "RefreshQueue"),
    },
    "RefreshProductFunction": {
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("secretsmanager:GetSecretValue", "CodatApiKey"),
        ("sqs:DeleteMessage", "RefreshQueue"),
        ("sqs:GetQueueAttributes", "RefreshQueue"),
        ("sqs:ReceiveMessage", "RefreshQueue"),
        ("sqs:SendMessage", "RefreshQueue"),
    },
    "ReplayWebhooksFunction": {
        ("sqs:ReceiveMessage", "ReplayQueue"),
        ("sqs:DeleteMessage", "ReplayQueue"),
        ("sqs:GetQueueAttributes", "ReplayQueue"),
        ("dynamodb:GetItem", "InboxTable"),
        ("dynamodb:Scan", "InboxTable"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("dynamodb:DeleteItem", "StateTable"),
        ("events:PutEvents", "ProductBus"),
        ("events:DeleteRule", TAIL_RULES),
        ("events:RemoveTargets", TAIL_RULES),
        ("sqs:DeleteQueue", TAIL_QUEUES),
        ("sqs:GetQueueUrl", TAIL_QUEUES),
    },
    "ReconcileFunction": {
        ("sqs:ReceiveMessage", "ReconcileQueue"),
        ("sqs:DeleteMessage", "ReconcileQueue"),
        ("sqs:GetQueueAttributes", "ReconcileQueue"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:BatchGetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("dynamodb:Query", "StateTable/index/gsi1"),
        ("dynamodb:Query", "ConsentsTable"),
        ("secretsmanager:GetSecretValue", "CodatApiKey"),
        ("secretsmanager:GetSecretValue", "SigningSecrets"),
        ("states:DescribeExecution", EXECUTIONS),
    },
    "ControlApiFunction": {
        ("dynamodb:BatchGetItem", "StateTable"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("dynamodb:Query", "StateTable/index/gsi1"),
        ("dynamodb:PutItem", "ConsentsTable"),
        ("dynamodb:Query", "ConsentsTable"),
        ("secretsmanager:GetSecretValue", "CodatApiKey"),
        ("scheduler:CreateSchedule", OWN_SCHEDULES),
        ("scheduler:DeleteSchedule", OWN_SCHEDULES),
        ("scheduler:GetSchedule", OWN_SCHEDULES),
        ("scheduler:UpdateSchedule", OWN_SCHEDULES),
        ("scheduler:ListSchedules", "*"),
        ("iam:PassRole", "SchedulerRole"),
        ("states:StartExecution", "MigrationStateMachine"),
        ("states:SendTaskSuccess", "*"),
        ("states:DescribeExecution", EXECUTIONS),
        ("states:StopExecution", EXECUTIONS),
        ("secretsmanager:GetSecretValue", "SigningSecrets"),
        ("secretsmanager:PutSecretValue", "SigningSecrets"),
        ("secretsmanager:UpdateSecretVersionStage", "SigningSecrets"),
        ("sqs:SendMessage", "ReconcileQueue"),
        ("sqs:SendMessage", "ReplayQueue"),
        ("lambda:InvokeFunction", "PlanRefreshesFunction"),
        ("sqs:SendMessage", "RefreshQueue"),
        ("events:DescribeRule", RULES),
        ("events:StartReplay", "ProductBus"),
        ("events:StartReplay", ARCHIVE),
        ("events:StartReplay", RESENDS),
        ("events:DescribeReplay", RESENDS),
        ("events:CancelReplay", RESENDS),
        ("events:DescribeArchive", ARCHIVE),
        ("events:DeleteRule", TAIL_RULES),
        ("events:PutRule", TAIL_RULES),
        ("events:PutTargets", TAIL_RULES),
        ("events:RemoveTargets", TAIL_RULES),
        ("sqs:CreateQueue", TAIL_QUEUES),
        ("sqs:DeleteMessage", TAIL_QUEUES),
        ("sqs:DeleteQueue", TAIL_QUEUES),
        ("sqs:GetQueueUrl", TAIL_QUEUES),
        ("sqs:ReceiveMessage", TAIL_QUEUES),
    },
    "RunMigrationStepFunction": {
        ("dynamodb:BatchGetItem", "StateTable"),
        ("dynamodb:ConditionCheckItem", "StateTable"),
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("dynamodb:Query", "StateTable"),
        ("dynamodb:Query", "StateTable/index/gsi1"),
        ("dynamodb:Query", "ConsentsTable"),
        ("s3:GetObject", "MigrationManifests/*"),
        ("s3:PutObject", "MigrationManifests/*"),
        ("s3:ListBucket", "MigrationManifests"),
        ("secretsmanager:GetSecretValue", "CodatApiKey"),
        ("secretsmanager:GetSecretValue", "SigningSecrets"),
        ("secretsmanager:PutSecretValue", "SigningSecrets"),
        ("secretsmanager:UpdateSecretVersionStage", "SigningSecrets"),
    },
    "WatchMigrationsFunction": {
        ("dynamodb:GetItem", "StateTable"),
        ("dynamodb:PutItem", "StateTable"),
        ("states:StartExecution", "MigrationStateMachine"),
        ("states:DescribeExecution", EXECUTIONS),
        ("states:StopExecution", EXECUTIONS),
        ("sqs:SendMessage", "MigrationEndsMissed"),
    },
}
FIND_STACK = {
    "Effect": "Allow",
    "Action": "cloudformation:DescribeStacks",
    "Resource": {
        "Fn::Sub": "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:"
        "stack/${AWS::StackName}/*"
    },
}
WITHOUT_RESOURCE = {
    "dynamodb:ListStreams",
    "scheduler:ListSchedules",
    "states:SendTaskSuccess",
}  # actions that IAM cannot bind to a resource


def statements(function_id):
    for policy in transformed()[f"{function_id}Role"]["Properties"].get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def logical_ids(resource):
    """Return the logical ids that a Resource names, in any of its forms."""
    for each in resource if isinstance(resource, list) else [resource]:
        assert isinstance(each, dict), f"{each} is not bound to a resource of this stack"
        (target,) = each.values()
        name = target[0] if isinstance(target, list) else target
        if part := re.fullmatch(r"\$\{(\w+)\.Arn\}(/.+)", name):  # such as a table's index
            yield "".join(part.groups())
            continue
        yield name.partition(".")[0]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
def test_a_functions_own_permissions_are_the_ones_written_down_here(function):
    granted = set()
    for statement in statements(function.logical_id):
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        for action in actions if isinstance(actions, list) else [actions]:
            assert "*" not in action
            if action in WITHOUT_RESOURCE:
                granted.add((action, statement["Resource"]))
                continue
            granted |= {(action, name) for name in logical_ids(statement["Resource"])}
    assert granted == PERMISSIONS[function.logical_id]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
def test_managed_policies_only_let_a_function_log_and_trace(function):
    managed = [*transformed()[f"{function.logical_id}Role"]["Properties"]["ManagedPolicyArns"]]
    allowed = ("*/service-role/AWSLambdaBasicExecutionRole", "*/AWSXrayWriteOnlyAccess")
    managed.remove({"Fn::If": ["HasKmsKey", {"Ref": "UseKmsKey"}, {"Ref": "AWS::NoValue"}]})
    for arn in managed:
        text = arn if isinstance(arn, str) else str(arn)
        assert any(fnmatch.fnmatch(text, f"{pattern}*") for pattern in allowed), text


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
def test_every_function_has_a_description_a_timeout_and_a_log_group_with_retention(function):
    assert {"Description", "Timeout", "MemorySize"} <= set(function.properties)
    names = [str(group["Properties"]["LogGroupName"]) for group in log_groups().values()]
    assert any(f"/aws/lambda/${{{function.logical_id}}}" in name for name in names)


def log_groups():
    return resources("AWS::Logs::LogGroup")


def test_every_log_group_has_a_retention():
    assert log_groups()
    for group in log_groups().values():
        assert "RetentionInDays" in group["Properties"]


@pytest.mark.parametrize("kind", DATA)
def test_data_outlives_the_stack(kind):
    assert resources(kind)
    for name, body in resources(kind).items():
        policies = (body["DeletionPolicy"], body["UpdateReplacePolicy"])
        assert policies == ("RetainExceptOnCreate", "Retain"), name


def test_the_inbox_is_encrypted_recoverable_streamed_and_expires_in_time():
    table = RESOURCES["InboxTable"]["Properties"]
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    # Codat replays for 14 days and retries for 28 h (docs/codat.md, C34, C37): within 35 days
    retention = TEMPLATE["Parameters"]["InboxRetentionDays"]
    assert retention["Default"] >= retention["MinValue"] >= 35


def test_the_state_is_encrypted_recoverable_and_removes_expired_items():
    table = RESOURCES["StateTable"]["Properties"]
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


class TestProjection:
    @property
    def source(self):
        return RESOURCES["ProjectReadsSource"]["Properties"]

    def test_it_gets_new_items_only_and_only_failed_records_again(self):
        assert self.source["FilterCriteria"] == {
            "Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]
        }
        assert self.source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert self.source["BisectBatchOnFunctionError"] is True
        assert self.source["StartingPosition"] == "TRIM_HORIZON"

    def test_it_retries_for_20_hours_then_reports_the_records_that_it_gave_up(self):
        assert self.source["MaximumRecordAgeInSeconds"] == 20 * 3600
        assert self.source["MaximumRetryAttempts"] == {"Ref": "StreamRetryAttempts"}
        assert TEMPLATE["Parameters"]["StreamRetryAttempts"]["Default"] == -1
        on_failure = self.source["DestinationConfig"]["OnFailure"]["Destination"]
        assert on_failure == {"Fn::GetAtt": ["ProjectReadsGivenUp", "Arn"]}

    def test_it_publishes_under_the_hubs_own_source_only(self):
        (publish,) = [
            s for s in statements("ProjectReadsFunction") if s["Action"] == "events:PutEvents"
        ]
        assert publish["Condition"] == {"StringEqualsIfExists": {"events:source": "codat-hub"}}


class TestReplays:
    def test_a_replays_message_stays_until_it_is_over_and_outlives_the_function(self):
        queue = RESOURCES["ReplayQueue"]["Properties"]
        function = RESOURCES["ReplayWebhooksFunction"]["Properties"]
        assert queue["VisibilityTimeout"] > function["Timeout"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 100
        source = RESOURCES["ReplayWebhooksSource"]["Properties"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["BatchSize"] == 1

    def test_it_may_list_and_remove_parked_items_of_the_state_only(self):
        (unpark,) = [s for s in statements("ReplayWebhooksFunction") if s["Sid"] == "Unpark"]
        assert unpark["Condition"] == {
            "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["PARKED"]}
        }


class TestTheBus:
    @pytest.fixture(params=["TeamsPutRules", "TeamsManageRules"])
    def policy(self, request):
        return RESOURCES[request.param]

    def test_other_accounts_put_rules_for_product_events_only(self):
        statement = RESOURCES["TeamsPutRules"]["Properties"]["Statement"]
        assert statement["Action"] == "events:PutRule"
        assert statement["Condition"]["StringEquals"] == {
            "events:source": "codat-hub",
            "events:detail-type": "ProductReadCompleted",
        }
        own = {"events:creatorAccount": "${aws:PrincipalAccount}"}
        assert statement["Condition"]["StringEqualsIfExists"] == own

    def test_they_change_their_own_rules_only_and_publish_nothing(self):
        statement = RESOURCES["TeamsManageRules"]["Properties"]["Statement"]
        own = {"StringEquals": {"events:creatorAccount": "${aws:PrincipalAccount}"}}
        assert statement["Condition"] == own
        assert not {"events:PutEvents", "events:PutRule"} & set(statement["Action"])

    def test_only_the_named_accounts_and_only_on_this_bus(self, policy):
        statement = policy["Properties"]["Statement"]
        assert statement["Principal"] == {"AWS": {"Fn::Split": [",", {"Ref": "TeamAccounts"}]}}
        assert statement["Resource"] == {"Fn::Sub": RULES}
        assert policy["Properties"]["EventBusName"] == {"Ref": "ProductBus"}
        assert policy["Condition"] == "HasTeamAccounts"

    def test_the_archive_keeps_events_no_longer_than_the_inbox_keeps_webhooks(self):
        days, inbox = (
            TEMPLATE["Parameters"][name] for name in ("EventArchiveDays", "InboxRetentionDays")
        )
        assert days["MaxValue"] <= inbox["MinValue"]
        assert RESOURCES["ProductEventArchive"]["Properties"]["RetentionDays"] == {
            "Ref": "EventArchiveDays"
        }


class TestReconcile:
    def test_a_runs_message_stays_until_it_is_over_and_outlives_the_function(self):
        queue = RESOURCES["ReconcileQueue"]["Properties"]
        function = RESOURCES["ReconcileFunction"]["Properties"]
        assert queue["VisibilityTimeout"] > function["Timeout"] + 5  # the run's lease ends before
        # a run may wait for the daily quota, from one 00:00 UTC to the next
        receives = queue["RedrivePolicy"]["maxReceiveCount"]
        assert receives * queue["VisibilityTimeout"] > 25 * 3600
        source = RESOURCES["ReconcileSource"]["Properties"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["BatchSize"] == 1

    def test_a_role_that_can_do_nothing_else_starts_it_every_night(self):
        schedule = RESOURCES["NightlyReconcile"]["Properties"]
        assert schedule["ScheduleExpression"] == {"Ref": "ReconcileSchedule"}
        # a stack without a client would fail and raise an alarm every night
        assert schedule["State"] == {"Fn::If": ["IsBound", "ENABLED", "DISABLED"]}
        assert TEMPLATE["Parameters"]["ReconcileSchedule"]["Default"] == "cron(30 1 * * ? *)"
        assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["ReconcileQueue", "Arn"]}
        assert schedule["Target"]["RoleArn"] == {"Fn::GetAtt": ["NightlyReconcileRole", "Arn"]}
        role = RESOURCES["NightlyReconcileRole"]["Properties"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        }
        (policy,) = role["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Action"] == "sqs:SendMessage"
        assert set(logical_ids(statement["Resource"])) == {"ReconcileQueue", "ReconcilesGivenUp"}


def test_a_refused_signature_reloads_the_secrets_at_most_once_a_minute_by_default():
    assert TEMPLATE["Parameters"]["SecretReloadSeconds"]["Default"] == 60


def test_each_environment_on_aws_is_a_stack_of_its_own():
    names = {
        deployment(environment).stack_name for environment in ("dev", "test", "staging", "prod")
    }
    assert len(names) == 4


@pytest.mark.parametrize("name", ["SigningSecrets", "CodatApiKey"])
def test_no_secret_can_come_from_the_template(name):
    assert not {"SecretString", "GenerateSecretString"} & set(RESOURCES[name]["Properties"])


def test_a_refused_message_raises_the_alarm_within_the_hour_of_its_first_attempt():
    alarm = RESOURCES["WebhooksRefused"]["Properties"]
    tries = (0, 5, 5 + 300, 5 + 300 + 1800)  # Codat's delays in s (docs/codat.md, C34)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 3600
    for first in range(0, 1800, 60):
        in_first_hour = [first + at for at in tries if first + at < alarm["Period"]]
        assert len(in_first_hour) >= alarm["Threshold"]


class TestWebhooksApi:
    @property
    def body(self):
        return transformed()["WebhooksApi"]["Properties"]["Body"]

    def test_only_codats_two_addresses_may_call_by_default(self):
        # docs/codat.md, C38
        (statement,) = self.body["x-amazon-apigateway-policy"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Resource"] == {"Fn::Sub": "execute-api:/prod/POST/webhooks/codat/*"}
        assert statement["Condition"] == {
            "IpAddress": {
                "aws:SourceIp": {"Fn::Split": [",", "4.159.114.108/32,20.117.190.191/32"]}
            }
        }

    def test_every_body_arrives_as_the_signed_bytes(self):
        assert self.body["x-amazon-apigateway-binary-media-types"] == ["*/*"]
        assert not any("request-validator" in key for key in self.body)
        (method,) = self.body["paths"]["/webhooks/codat/{consumer}"].values()
        assert not any("request-validator" in key for key in method)

    def test_a_web_acl_is_put_before_the_deployed_stage(self):
        acl = transformed()["WebhooksApiWebAcl"]["Properties"]
        assert acl["ResourceArn"]["Fn::Sub"].endswith("/stages/${WebhooksApiStage}")
        assert "WebhooksApiStage" in transformed()

    def test_gateway_answers_are_fixed_and_reveal_nothing(self):
        responses = self.body["x-amazon-apigateway-gateway-responses"]
        assert set(responses) == {"DEFAULT_4XX", "DEFAULT_5XX"}
        assert "$context" not in str(responses)

    @pytest.mark.parametrize("stage_id", ["WebhooksApiStage", "ControlApiStage"])
    def test_calls_are_throttled_and_bodies_never_logged(self, stage_id):
        stage = transformed()[stage_id]
        deployments = [
            r for r in transformed().values() if r["Type"] == "AWS::ApiGateway::Deployment"
        ]
        # SAM would add a stage of its own here, without any of these settings
        assert not [d for d in deployments if "StageName" in d["Properties"]]
        (settings,) = stage["Properties"]["MethodSettings"]
        assert settings["DataTraceEnabled"] is False
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(settings)
        log_format = stage["Properties"]["AccessLogSetting"]["Format"]
        assert "header" not in log_format.lower()


class TestControlApi:
    @property
    def body(self):
        return transformed()["ControlApi"]["Properties"]["Body"]

    def test_every_method_requires_a_signature_and_runs_under_the_functions_role(self):
        methods = [
            (path, name, method)
            for path, methods in self.body["paths"].items()
            for name, method in methods.items()
        ]
        assert {(path, name) for path, name, _ in methods} == {
            ("/{proxy+}", name) for name in ("get", "put", "post", "delete")
        }
        for _, _, method in methods:
            assert method["security"] == [{"AWS_IAM": []}]
            assert "credentials" not in method["x-amazon-apigateway-integration"]
        assert "x-amazon-apigateway-binary-media-types" not in self.body

    def test_its_resource_policy_allows_no_caller(self):
        (statement,) = self.body["x-amazon-apigateway-policy"]["Statement"]
        assert statement["Effect"] == "Deny"
        private, _ = RESOURCES["ControlApi"]["Properties"]["Auth"]["ResourcePolicy"][
            "CustomStatements"
        ][0]["Condition"]["Fn::If"][1:]
        assert private["StringNotEquals"]["aws:SourceVpce"] == {
            "Fn::Split": [",", {"Ref": "ControlApiVpcEndpointIds"}]
        }

    def test_it_is_private_when_vpc_endpoints_are_named(self):
        endpoint = RESOURCES["ControlApi"]["Properties"]["EndpointConfiguration"]
        assert endpoint["Type"] == {"Fn::If": ["HasPrivateControlApi", "PRIVATE", "REGIONAL"]}

    @pytest.mark.parametrize(
        "policy", ["ControlApiReader", "ControlApiOperator", "ControlApiApprover"]
    )
    def test_the_policies_for_people_let_them_call_this_api_and_find_the_stack_only(self, policy):
        assert all(_allowed(policy))
        call, find = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert call["Action"] == "execute-api:Invoke"
        assert find == FIND_STACK

    def test_a_keeper_of_secrets_may_replace_the_api_key_and_never_read_it(self):
        (*statements, encrypted) = RESOURCES["SecretsKeeper"]["Properties"]["PolicyDocument"][
            "Statement"
        ]
        assert encrypted["Fn::If"][0] == "HasKmsKey"
        assert statements == [
            {
                "Effect": "Allow",
                "Action": [
                    "secretsmanager:GetSecretValue",
                    "secretsmanager:PutSecretValue",
                    "secretsmanager:UpdateSecretVersionStage",
                ],
                "Resource": {"Fn::GetAtt": ["SigningSecrets", "Id"]},
            },
            {
                "Effect": "Allow",
                "Action": "secretsmanager:PutSecretValue",
                "Resource": {"Fn::GetAtt": ["CodatApiKey", "Id"]},
            },
            FIND_STACK,
        ]

    @pytest.mark.parametrize(
        ("policy", "reads", "changes", "approves"),
        [
            ("ControlApiReader", True, False, False),
            ("ControlApiOperator", True, True, False),
            ("ControlApiApprover", True, False, True),
        ],
    )
    def test_approving_is_a_right_of_its_own(self, policy, reads, changes, approves):
        """Four eyes rest on two policies, not on one person's promise."""
        contract = json.loads((ROOT / "openapi" / "control-api.json").read_text())
        for path, methods in contract["paths"].items():
            for method in methods.keys() & {"get", "put", "post", "delete"}:
                call = f"{method.upper()}{re.sub('{[^}]+}', 'x', path)}"
                may = any(fnmatch.fnmatchcase(call, allowed) for allowed in _allowed(policy))
                if method == "get":
                    assert may is reads, call
                elif call.endswith(("/approve", "/settle")):
                    assert may is approves, call
                else:
                    assert may is changes, call


def _allowed(policy):
    """Return the patterns of calls that a policy allows, empty for one outside the control API."""
    statement, _ = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    resource = statement["Resource"]
    named = resource if isinstance(resource, list) else [resource]
    return [allowed["Fn::Sub"].partition(":${ControlApi}/${Environment}/")[2] for allowed in named]


def test_no_function_may_change_or_delete_a_consent():
    for function, granted in PERMISSIONS.items():
        actions = {action for action, resource in granted if resource == "ConsentsTable"}
        if function == "ArchiveConsentsFunction":  # it reads the stream only
            assert not actions & {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
            continue
        assert actions <= {"dynamodb:PutItem", "dynamodb:Query"}, function


class TestTheAudit:
    def test_it_is_off_by_default_and_then_adds_nothing(self):
        assert TEMPLATE["Parameters"]["AuditRetentionDays"]["Default"] == 0
        named = {name: body for name, body in transformed().items() if "ArchiveConsents" in name}
        named |= {name: RESOURCES[name] for name in ("AuditBucket", "ConsentsNotArchived")}
        conditions = {name: body.get("Condition") for name, body in named.items()}
        assert conditions.pop("ArchiveConsentsGivenUpPolicy") == "KeepsAuditOverTls"
        assert set(conditions.values()) == {"KeepsAudit"}
        stream = RESOURCES["ConsentsTable"]["Properties"]["StreamSpecification"]
        assert stream["Fn::If"][::2] == ["KeepsAudit", {"Ref": "AWS::NoValue"}]

    def test_each_copy_is_locked_for_the_days_and_the_bucket_outlives_the_stack(self):
        bucket = RESOURCES["AuditBucket"]
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Retain",
        )
        properties = bucket["Properties"]
        assert "BucketName" not in properties, "the one of an earlier time may still be there"
        assert properties["ObjectLockEnabled"] is True
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        retention = properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert retention == {"Mode": "GOVERNANCE", "Days": {"Ref": "AuditRetentionDays"}}
        assert not any(
            properties["PublicAccessBlockConfiguration"][key] is not True
            for key in properties["PublicAccessBlockConfiguration"]
        )

    def test_every_change_is_copied_with_the_item_before_and_after(self):
        stream = RESOURCES["ConsentsTable"]["Properties"]["StreamSpecification"]
        assert stream["Fn::If"][1] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
        source = RESOURCES["ArchiveConsentsSource"]["Properties"]
        assert "FilterCriteria" not in source
        assert source["StartingPosition"] == "TRIM_HORIZON"
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["MaximumRecordAgeInSeconds"] == 20 * 3600
        given_up = {"Fn::GetAtt": ["ArchiveConsentsGivenUp", "Arn"]}
        assert source["DestinationConfig"]["OnFailure"]["Destination"] == given_up


def test_a_refresh_schedule_may_start_the_planner_and_record_failures():
    role = RESOURCES["SchedulerRole"]["Properties"]
    (policy,) = role["Policies"]
    granted = [
        (statement["Action"], statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    assert granted == [
        ("lambda:InvokeFunction", {"Fn::GetAtt": ["PlanRefreshesFunction", "Arn"]}),
        ("sqs:SendMessage", {"Fn::GetAtt": ["ScheduleFailures", "Arn"]}),
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert "aws:SourceAccount" in trust["Condition"]["StringEquals"]


def test_the_schedulers_role_is_passed_to_the_scheduler_only():
    (passing,) = [s for s in statements("ControlApiFunction") if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}
    }


@pytest.mark.parametrize(
    "function", ["ReceiveWebhookFunction", "RunMigrationStepFunction", "ControlApiFunction"]
)
def test_another_parameter_or_layer_publishes_a_function_with_an_alias_anew(function):
    """SAM compares its properties, not the values that they refer to."""
    resources = transformed()
    (version,) = [name for name in resources if name.startswith(f"{function}Version")]
    (layer,) = [name for name in resources if name.startswith("Dependencies")]
    described = set(named(resources[version]["Properties"]["Description"]))
    changing = {*TEMPLATE["Parameters"], layer, "WebhooksApi"}
    configured = {
        reference
        for name, value in resources[function]["Properties"].items()
        # these are the function's, not a version's
        if name not in {"Tags", "ReservedConcurrentExecutions"}
        for reference in named(value)
    }
    assert described == configured & changing


class TestMigration:
    def test_its_state_machine_may_run_steps_read_manifests_and_start_its_own_children(self):
        (policy,) = RESOURCES["MigrationRole"]["Properties"]["Policies"]
        granted = {
            (str(statement["Action"]), str(statement["Resource"]))
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Resource"] != "*"
        }
        machine = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"
        assert granted == {
            ("lambda:InvokeFunction", "{'Ref': 'RunMigrationStepFunction.Alias'}"),
            ("s3:GetObject", "{'Fn::Sub': '${MigrationManifests.Arn}/*'}"),
            (
                "states:StartExecution",
                f"{{'Fn::Sub': '{machine}stateMachine:${{AWS::StackName}}-migration'}}",
            ),
            (
                "['states:DescribeExecution', 'states:StopExecution']",
                (
                    f"[{{'Fn::Sub': '{machine}execution:${{AWS::StackName}}-migration/*'}}, "
                    f"{{'Fn::Sub': '{machine}execution:${{AWS::StackName}}-migration:*'}}]"
                ),
            ),
        }
        (everywhere,) = [
            statement
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Resource"] == "*"
        ]
        assert all(action.split(":")[0] in {"logs", "xray"} for action in everywhere["Action"])
        assert RESOURCES["MigrationStateMachine"]["Properties"]["Name"] == {
            "Fn::Sub": "${AWS::StackName}-migration"
        }

    def test_it_logs_no_data_and_calls_a_published_alias(self):
        machine = RESOURCES["MigrationStateMachine"]["Properties"]
        assert machine["Logging"]["IncludeExecutionData"] is False
        substitutions = machine["DefinitionSubstitutions"]
        assert substitutions["RunMigrationStep"] == {"Ref": "RunMigrationStepFunction.Alias"}
        assert "AutoPublishAlias" in RESOURCES["RunMigrationStepFunction"]["Properties"]

    def test_a_functions_timeout_is_shorter_than_its_states(self):
        definition = json.loads((ROOT / "statemachines" / "migration.asl.json").read_text())
        timeout = RESOURCES["RunMigrationStepFunction"]["Properties"]["Timeout"]
        assert timeout < min(tasks(definition["States"]))

    def test_the_watch_gets_every_end_that_no_catch_can_handle(self):
        ended = RESOURCES["WatchMigrationsFunction"]["Properties"]["Events"]["Ended"]["Properties"]
        detail = ended["Pattern"]["detail"]
        assert set(detail["status"]) == {"ABORTED", "FAILED", "TIMED_OUT"}
        assert detail["stateMachineArn"] == [{"Ref": "MigrationStateMachine"}]


def named(value):
    """Return the parameters and resources that a part of the template refers to."""
    match value:
        case {"Ref": name}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(\w+)\}", text)
        case dict():
            for each in value.values():
                yield from named(each)
        case list():
            for each in value:
                yield from named(each)


def tasks(states):
    for state in states.values():
        if state["Type"] == "Task":
            yield state["TimeoutSeconds"]
        elif state["Type"] == "Map":
            yield from tasks(state["ItemProcessor"]["States"])


@pytest.mark.parametrize("name", sorted(resources("AWS::CloudWatch::Alarm")))
def test_every_alarm_notifies_the_topic(name):
    alarm = RESOURCES[name]["Properties"]
    assert alarm["AlarmDescription"]
    assert "AlarmActions" in alarm
    silence = alarm["ComparisonOperator"] == "LessThanThreshold"
    assert alarm["TreatMissingData"] == ("breaching" if silence else "notBreaching")


@pytest.mark.parametrize("name", sorted(resources("AWS::CloudWatch::Alarm")))
def test_every_alarm_names_the_next_command_and_only_messages_that_the_code_logs(name):
    description = RESOURCES[name]["Properties"]["AlarmDescription"]["Fn::Sub"]
    assert re.search(r"Next(:|, in CloudWatch Logs Insights) ", description)
    code = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    assert all(quoted in code for quoted in re.findall(r'"[^"]+"', description))


class TestRefreshes:
    @property
    def queue(self):
        return RESOURCES["RefreshQueue"]["Properties"]

    def test_only_failed_messages_come_again_and_five_times_at_most(self):
        source = RESOURCES["RefreshSource"]["Properties"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"]["MaximumConcurrency"] == 10
        assert self.queue["RedrivePolicy"] == {
            "deadLetterTargetArn": {"Fn::GetAtt": ["RefreshDlq", "Arn"]},
            "maxReceiveCount": 5,
        }

    def test_five_receives_end_before_the_ticket_is_sent_again(self):
        function = RESOURCES["RefreshProductFunction"]["Properties"]
        visible_again = self.queue["VisibilityTimeout"]
        assert function["Timeout"] < visible_again
        assert 5 * visible_again < LOST_AFTER.total_seconds()

    def test_a_batch_of_slow_answers_fits_the_functions_time(self):
        function = RESOURCES["RefreshProductFunction"]["Properties"]
        batch = RESOURCES["RefreshSource"]["Properties"]["BatchSize"]
        assert batch * 10 < function["Timeout"]  # the seconds of a call at most

    def test_an_alarm_watches_the_slots_for_which_the_planner_did_not_start(self):
        # EventBridge Scheduler starts it asynchronously and sees no failure
        planner = RESOURCES["PlanRefreshesFunction"]["Properties"]["EventInvokeConfig"]
        assert planner["MaximumRetryAttempts"] == 2
        noted = planner["DestinationConfig"]["OnFailure"]["Destination"]
        assert noted == {"Fn::GetAtt": ["ScheduleFailures", "Arn"]}
        watched = {
            json.dumps(alarm["Properties"].get("Dimensions"))
            for alarm in RESOURCES.values()
            if alarm["Type"] == "AWS::CloudWatch::Alarm"
        }
        assert any("ScheduleFailures" in alarm for alarm in watched)

    def test_a_dispatcher_that_does_not_start_raises_an_alarm(self):
        silent = RESOURCES["DispatcherSilent"]["Properties"]
        # every successful run counts it, even as 0
        assert (silent["MetricName"], silent["Statistic"]) == ("refresh_sent", "SampleCount")
        assert silent["ComparisonOperator"] == "LessThanThreshold"
        assert silent["Period"] * silent["EvaluationPeriods"] == LOST_AFTER.total_seconds()

    @pytest.mark.parametrize("name", ["PlanRefreshes", "DispatchRefreshes"])
    def test_each_minute_starts_the_function_under_a_role_that_may_do_nothing_else(self, name):
        schedule = RESOURCES[f"{name}Minute"]["Properties"]
        assert schedule["ScheduleExpression"] == "rate(1 minute)"
        assert schedule["Target"]["Arn"] == {"Fn::GetAtt": [f"{name}Function", "Arn"]}
        (policy,) = RESOURCES["RefreshClockRole"]["Properties"]["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Action"] == "lambda:InvokeFunction"
        assert {"Fn::GetAtt": [f"{name}Function", "Arn"]} in statement["Resource"]
        assert len(statement["Resource"]) == 2
