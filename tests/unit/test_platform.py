"""What a bank's platform team asks of a stack, asserted on the template that SAM makes of ours."""

import copy
import json
import re
from typing import ClassVar

import pytest
from samtranslator.yaml_helper import yaml_parse

from tools.build import join_vpc
from tools.checks.transforming import transformed, transformed_of
from tools.template import FUNCTIONS, RESOURCES, ROOT, TEMPLATE

PUBLIC = ("ReceiveWebhookFunction", "ControlApiFunction")
SERVICES_WITHOUT_KEYS = {"RefreshClockRole", "ApiGatewayLogsRole", "DeploymentRole"}


def of(kind):
    return {name: body for name, body in transformed().items() if body["Type"] == kind}


def optional(condition, parameter):
    return {"Fn::If": [condition, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}


class TestAFirstDeploymentThatFails:
    """A rollback deletes what it created: nothing protected, nothing left under a fixed name."""

    def test_nothing_is_protected_before_the_parameter_says_so(self):
        assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "false"
        assert TEMPLATE["Conditions"]["IsProtected"] == {
            "Fn::Equals": [{"Ref": "DeletionProtection"}, "true"]
        }
        for name, body in of("AWS::DynamoDB::Table").items():
            protection = body["Properties"]["DeletionProtectionEnabled"]
            assert protection == {"Fn::If": ["IsProtected", True, False]}, name

    def test_what_outlives_the_stack_under_a_fixed_name_goes_with_a_failed_creation(self):
        kept = {
            name: body["DeletionPolicy"]
            for name, body in transformed().items()
            if body.get("DeletionPolicy", "Delete") != "Delete"
        }
        without_name = {"ApiGatewayLogsRole", "ApiGatewayAccount"}  # shared by the whole account
        named = {name: kept[name] for name in set(kept) - without_name if ":Version" not in name}
        named = {name: policy for name, policy in named.items() if "FunctionVersion" not in name}
        assert set(named.values()) == {"RetainExceptOnCreate"}
        assert set(named) == {
            *("StateTable", "InboxTable", "ConsentsTable"),
            *("CodatApiKey", "SigningSecrets", "MigrationManifests", "ControlApiLogs"),
            "AuditBucket",
        }


class TestRoles:
    @pytest.mark.parametrize("name", sorted(of("AWS::IAM::Role")))
    def test_every_role_takes_boundary_and_path(self, name):
        role = transformed()[name]["Properties"]
        assert role["PermissionsBoundary"] == optional(
            "HasPermissionsBoundary", "PermissionsBoundaryArn"
        )
        assert role["Path"] == optional("HasRolePath", "RolePath")

    @pytest.mark.parametrize("name", sorted(set(of("AWS::IAM::Role")) - SERVICES_WITHOUT_KEYS))
    def test_every_role_that_meets_encrypted_data_may_use_the_key(self, name):
        managed = transformed()[name]["Properties"]["ManagedPolicyArns"]
        assert optional("HasKmsKey", "UseKmsKey") in managed

    def test_the_key_is_used_through_the_services_that_keep_data_only(self):
        (statement,) = RESOURCES["UseKmsKey"]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}
        services = statement["Condition"]["StringEquals"]["kms:ViaService"]
        names = {service["Fn::Sub"].partition(".")[0] for service in services}
        assert names == {"dynamodb", "s3", "secretsmanager", "sqs"}

    @pytest.mark.parametrize(
        ("name", "description"),
        [
            (
                "ControlApiReader",
                "May read everything through the control API, and change nothing.",
            ),
            ("ControlApiOperator", "May read and change everything through the control API."),
        ],
    )
    def test_a_policy_of_people_keeps_its_description(self, name, description):
        """Another description would replace the policy, which no role would have any more."""
        assert RESOURCES[name]["Properties"]["Description"] == description


class TestVpc:
    GIVEN: ClassVar = {"VpcSubnetIds": "subnet-1,subnet-2", "VpcSecurityGroupIds": "sg-1"}

    @pytest.fixture
    def joined(self, tmp_path):
        """Return the resources of a build whose parameters name a VPC."""
        built = tmp_path / "template.yaml"
        built.write_text((ROOT / "template.yaml").read_text())
        join_vpc(built, self.GIVEN)
        return transformed_of(yaml_parse(built.read_text()), **self.GIVEN)

    @pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
    def test_every_function_is_in_the_vpc(self, joined, function):
        config = joined[function.logical_id]["Properties"]["VpcConfig"]
        assert config == {
            "SubnetIds": ["subnet-1", "subnet-2"],
            "SecurityGroupIds": ["sg-1"],
        }
        managed = joined[f"{function.logical_id}Role"]["Properties"]["ManagedPolicyArns"]
        assert "AWSLambdaVPCAccessExecutionRole" in str(managed)

    def test_the_rest_of_the_template_is_the_same(self, joined):
        for name, body in transformed().items():
            of_functions = body["Type"].startswith("AWS::Lambda::") or name.endswith("Role")
            if not of_functions:
                assert joined[name] == body, name

    def test_without_a_vpc_no_role_may_manage_network_interfaces(self, tmp_path):
        built = tmp_path / "template.yaml"
        built.write_text("unread: !Sub x")
        join_vpc(built, {})
        assert built.read_text() == "unread: !Sub x"
        assert "VPCAccess" not in str(transformed())

    @pytest.mark.parametrize(
        ("rule", "given", "needed"),
        [
            ("VpcSubnets", "VpcSubnetIds", "VpcSecurityGroupIds"),
            ("VpcSecurityGroups", "VpcSecurityGroupIds", "VpcSubnetIds"),
        ],
    )
    def test_a_vpc_needs_subnets_and_security_groups(self, rule, given, needed):
        found = TEMPLATE["Rules"][rule]
        assert found["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": given}, ""]}]}
        (assertion,) = found["Assertions"]
        assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": needed}, ""]}]}


class TestEncryption:
    KEY = optional("HasKmsKey", "KmsKeyArn")

    def test_every_table_secret_and_log_group_takes_the_key(self):
        for name, body in of("AWS::DynamoDB::Table").items():
            assert body["Properties"]["SSESpecification"]["KMSMasterKeyId"] == self.KEY, name
        for kind in ("AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"):
            for name, body in of(kind).items():
                assert body["Properties"]["KmsKeyId"] == self.KEY, name

    @pytest.mark.parametrize("name", sorted(of("AWS::SQS::Queue")))
    def test_every_queue_has_one_kind_of_encryption(self, name):
        queue = transformed()[name]["Properties"]
        assert queue["KmsMasterKeyId"] == self.KEY
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", False, True]}

    @pytest.mark.parametrize("name", sorted(of("AWS::S3::Bucket")))
    def test_a_bucket_takes_the_key(self, name):
        bucket = RESOURCES[name]["Properties"]["BucketEncryption"]
        (rule,) = bucket["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": {"Fn::If": ["HasKmsKey", "aws:kms", "AES256"]},
            "KMSMasterKeyID": self.KEY,
        }


class TestTransport:
    def test_every_environment_on_aws_requires_tls(self):
        assert TEMPLATE["Conditions"]["RequiresTls"] == {
            "Fn::Not": [{"Fn::Equals": [{"Ref": "Environment"}, "local"]}]
        }
        assert TEMPLATE["Conditions"]["KeepsAuditOverTls"] == {
            "Fn::And": [{"Condition": "KeepsAudit"}, {"Condition": "RequiresTls"}]
        }

    def denied(self, policy):
        assert policy.get("Condition") in {None, "RequiresTls", "KeepsAuditOverTls"}
        for entry in policy["Properties"]["PolicyDocument"]["Statement"]:
            condition, statement, _ = entry.get("Fn::If", (None, entry, None))
            assert condition in {None, "RequiresTls"}
            if statement["Effect"] == "Deny":
                assert statement["Principal"] == "*"
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                yield statement

    @pytest.mark.parametrize("name", sorted(of("AWS::SQS::Queue")))
    def test_a_queue_refuses_calls_without_tls(self, name):
        (policy,) = [
            body
            for body in of("AWS::SQS::QueuePolicy").values()
            if body["Properties"]["Queues"] == [{"Ref": name}]
        ]
        (statement,) = self.denied(policy)
        assert statement["Action"] == "sqs:*"
        assert statement["Resource"] == {"Fn::GetAtt": [name, "Arn"]}

    @pytest.mark.parametrize("name", sorted(of("AWS::S3::Bucket")))
    def test_a_bucket_refuses_calls_without_tls(self, name):
        (policy,) = [
            body
            for body in of("AWS::S3::BucketPolicy").values()
            if body["Properties"]["Bucket"] == {"Ref": name}
        ]
        (statement,) = self.denied(policy)
        assert statement["Action"] == "s3:*"
        assert statement["Resource"] == [
            {"Fn::GetAtt": [name, "Arn"]},
            {"Fn::Sub": f"${{{name}.Arn}}/*"},
        ]

    def test_a_web_acl_stands_before_the_control_apis_deployed_stage(self):
        acl = transformed()["ControlApiWebAcl"]
        assert acl["Condition"] == "HasControlApiWebAcl"
        assert acl["Properties"]["ResourceArn"]["Fn::Sub"].endswith("/stages/${ControlApiStage}")


class TestWebhookDomain:
    """One place knows where Codat reaches the hub, so a domain is the domain everywhere."""

    @pytest.mark.parametrize("function", ["ReconcileFunction", "RunMigrationStepFunction"])
    def test_every_function_and_the_output_know_the_same_address(self, function):
        variables = RESOURCES[function]["Properties"]["Environment"]["Variables"]
        given = TEMPLATE["Outputs"]["WebhookUrl"]["Value"]
        assert given == {"Fn::Join": ["", [variables["WEBHOOKS_URL"], "/{consumer}"]]}
        condition, domain, _ = variables["WEBHOOKS_URL"]["Fn::If"][2]["Fn::If"]
        assert condition == "HasWebhookDomain"
        assert domain == {"Fn::Sub": "https://${WebhookDomain}/webhooks/codat"}

    def test_a_certificate_creates_the_domain_with_its_mapping(self):
        domain, mapping = (transformed()[f"WebhooksDomain{part}"] for part in ("", "Mapping"))
        assert domain["Condition"] == mapping["Condition"] == "CreatesWebhookDomain"
        assert domain["Properties"]["SecurityPolicy"] == "TLS_1_2"
        assert domain["Properties"]["RegionalCertificateArn"] == {"Ref": "WebhookCertificateArn"}
        # without a base path: the domain's paths are those of the API
        assert mapping["Properties"] == {
            "DomainName": {"Ref": "WebhooksDomain"},
            "RestApiId": {"Ref": "WebhooksApi"},
            "Stage": {"Ref": "WebhooksApiStage"},
        }

    def test_the_default_endpoint_closes_by_a_parameter_of_its_own(self):
        body = transformed()["WebhooksApi"]["Properties"]["Body"]
        closed = body["servers"][0]["x-amazon-apigateway-endpoint-configuration"]
        assert closed == {
            "disableExecuteApiEndpoint": {"Fn::If": ["HidesDefaultEndpoint", True, False]}
        }
        assert TEMPLATE["Parameters"]["WebhookDefaultEndpoint"]["Default"] == "enabled"

    def test_without_a_domain_there_is_no_certificate_and_no_closed_endpoint(self):
        rule = TEMPLATE["Rules"]["Domain"]
        assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "WebhookDomain"}, ""]}
        asserted = [assertion["Assert"]["Fn::Equals"] for assertion in rule["Assertions"]]
        assert asserted == [
            [{"Ref": "WebhookCertificateArn"}, ""],
            [{"Ref": "WebhookDefaultEndpoint"}, "enabled"],
        ]


class TestWatching:
    def alarms(self, function, metric):
        dimensions = [{"Name": "FunctionName", "Value": {"Ref": function}}]
        return [
            body["Properties"]
            for body in of("AWS::CloudWatch::Alarm").values()
            if body["Properties"].get("Dimensions") == dimensions
            and body["Properties"]["MetricName"] == metric
        ]

    @pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
    def test_every_function_alarms_when_it_fails_is_throttled_or_nears_its_timeout(self, function):
        (_,) = self.alarms(function.logical_id, "Errors")
        (_,) = self.alarms(function.logical_id, "Throttles")
        (slow,) = self.alarms(function.logical_id, "Duration")
        milliseconds = function.properties["Timeout"] * 1000
        assert 0.8 * milliseconds <= slow["Threshold"] < milliseconds
        assert slow["Statistic"] == "Maximum"
        seconds = function.properties["Timeout"]
        assert f"of its {seconds} seconds" in slow["AlarmDescription"]["Fn::Sub"]

    @pytest.mark.parametrize("name", sorted(of("AWS::CloudWatch::Alarm")))
    def test_every_alarm_says_when_it_is_over(self, name):
        alarm = transformed()[name]["Properties"]
        assert alarm["OKActions"] == alarm["AlarmActions"]

    def test_prod_needs_a_topic_and_a_client(self):
        rule = TEMPLATE["Rules"]["Prod"]
        assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Environment"}, "prod"]}
        needed = [
            assertion["Assert"]["Fn::Not"][0]["Fn::Equals"] for assertion in rule["Assertions"]
        ]
        assert needed == [[{"Ref": "AlarmTopicArn"}, ""], [{"Ref": "CodatClientId"}, ""]]

    def test_the_dashboard_shows_each_part_with_its_runbook(self):
        body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        widgets = json.loads(re.sub(r"\$\{[\w:]+\}", "name", body))["widgets"]
        titles = [widget["properties"]["title"].partition(":") for widget in widgets]
        assert [title for title, _, _ in titles] == [
            *("Webhooks", "Product events", "Refreshes", "Codat's quota"),
            *("Freshness", "Migration", "Errors", "Cost"),
        ]
        for title, _, runbook in titles:
            assert (ROOT / runbook.strip()).is_file(), title

    def test_the_dashboard_shows_metrics_that_the_code_counts(self):
        body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        code = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
        names = re.findall(r'"CodatHub", "(\w+)"', body)
        assert names
        for name in names:
            prefix, _, outcome = name.partition("_")
            whole = f'"{name}"' in code
            composed = f'f"{prefix}_{{' in code and f'"{outcome}"' in code
            assert whole or composed, name


class TestLogs:
    def test_they_can_be_kept_for_ten_years(self):
        assert max(TEMPLATE["Parameters"]["LogRetentionDays"]["AllowedValues"]) == 3653

    def test_the_audit_of_callers_outlives_the_stack(self):
        assert RESOURCES["ControlApiLogs"]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert RESOURCES["ControlApiLogs"]["UpdateReplacePolicy"] == "Retain"


class TestDeployments:
    @pytest.mark.parametrize("function", PUBLIC)
    def test_new_code_of_a_public_function_gets_its_traffic_by_parameter(self, function):
        canary = "Canary10Percent5Minutes"
        resources = transformed_of(TEMPLATE, PublicDeployment=canary)
        group = resources[f"{function}DeploymentGroup"]["Properties"]
        assert canary in str(group["DeploymentConfigName"])
        condition, alarms, none = group["AlarmConfiguration"]["Fn::If"]
        assert condition == "DeploysGradually"
        assert len(alarms["Alarms"]) == 2
        # an alarm that is on would forbid the deployment that puts it right
        assert none == {}
        assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
        alias = resources[f"{function}Aliaslive"]
        assert "CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"]

    def test_requests_reach_the_alias(self):
        for api, function in (("WebhooksApi", PUBLIC[0]), ("ControlApi", PUBLIC[1])):
            assert f"${{{function}.Alias}}" not in str(transformed()[api])
            assert f"${{{function}Aliaslive}}" in str(transformed()[api])

    @pytest.mark.parametrize(
        ("name", "value"), [("MemorySize", 1792), ("Timeout", 5), ("EphemeralStorage", 600)]
    )
    @pytest.mark.parametrize("function", [*PUBLIC, "RunMigrationStepFunction"])
    def test_every_change_of_a_function_reaches_its_alias(self, function, name, value):
        changed = copy.deepcopy(TEMPLATE)
        changed["Resources"][function]["Properties"][name] = (
            {"Size": value} if name == "EphemeralStorage" else value
        )
        before = transformed()[f"{function}Aliaslive"]["Properties"]["FunctionVersion"]
        after = transformed_of(changed)[f"{function}Aliaslive"]["Properties"]["FunctionVersion"]
        assert before != after

    def test_webhooks_can_reserve_concurrency(self):
        function = transformed()["ReceiveWebhookFunction"]["Properties"]
        assert function["ReservedConcurrentExecutions"] == optional(
            "ReservesWebhooks", "WebhookReservedConcurrency"
        )
        assert TEMPLATE["Parameters"]["WebhookReservedConcurrency"]["Default"] == 0


class TestServices:
    def test_a_run_of_the_dispatcher_is_not_repeated_beside_the_next_minutes(self):
        config = transformed()["DispatchRefreshesFunctionEventInvokeConfig"]["Properties"]
        assert config["MaximumRetryAttempts"] == 0
        assert config["MaximumEventAgeInSeconds"] == 60

    def test_a_worker_may_send_a_refresh_to_its_own_queue_again_and_again(self):
        assert transformed()["RefreshProductFunction"]["Properties"]["RecursiveLoop"] == "Allow"

    def test_a_number_of_the_template_is_a_plain_decimal(self):
        for name, parameter in TEMPLATE["Parameters"].items():
            for limit in ("MinValue", "MaxValue"):
                assert "e" not in str(parameter.get(limit, "")), name

    def test_the_control_apis_gateway_says_no_status_that_may_be_wrong(self):
        api = RESOURCES["ControlApi"]["Properties"]["GatewayResponses"]
        for kind, response in api.items():
            body = json.loads(response["ResponseTemplates"]["application/json"])
            assert body.get("status") == response.get("StatusCode"), kind

    def test_the_states_role_reaches_map_children_by_both_documented_names(self):
        (policy,) = RESOURCES["MigrationRole"]["Properties"]["Policies"]
        (children,) = [
            statement["Resource"]
            for statement in policy["PolicyDocument"]["Statement"]
            if "states:DescribeExecution" in statement["Action"]
        ]
        forms = {child["Fn::Sub"].partition(":execution:")[2] for child in children}
        assert forms == {"${AWS::StackName}-migration/*", "${AWS::StackName}-migration:*"}
