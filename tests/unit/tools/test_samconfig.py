"""samconfig.toml is read as SAM reads it."""

import pytest
from samcli.cli.types import CfnParameterOverridesType

from tools.samconfig import Deployment, deployment

ENVIRONMENT = """
[dev.deploy.parameters]
region = "eu-west-2"
stack_name = "hub"
"""
EXPECTED = {
    "Environment": "dev",
    "ReconcileSchedule": "cron(0 2 * * ? *)",
    "WebhookSourceRanges": "203.0.113.7/32,198.51.100.0/24",
}


def read(tmp_path, text):
    config = tmp_path / "samconfig.toml"
    config.write_text(text)
    return deployment("dev", config)


@pytest.mark.parametrize(
    "overrides",
    [
        (
            """'Environment=dev ReconcileSchedule="cron(0 2 * * ? *)" """
            """WebhookSourceRanges=203.0.113.7/32,198.51.100.0/24'"""
        ),
        (
            r"""'Environment=dev ReconcileSchedule=cron(0\ 2\ *\ *\ ?\ *) """
            """WebhookSourceRanges=203.0.113.7/32,198.51.100.0/24'"""
        ),
        (
            """['Environment=dev', 'ReconcileSchedule="cron(0 2 * * ? *)"', """
            """'WebhookSourceRanges=203.0.113.7/32,198.51.100.0/24']"""
        ),
        (
            """{ Environment = 'dev', ReconcileSchedule = 'cron(0 2 * * ? *)', """
            """WebhookSourceRanges = ['203.0.113.7/32', '198.51.100.0/24'] }"""
        ),
        """'file://parameters.yaml'""",
    ],
    ids=["text", "escaped", "list", "table", "file"],
)
def test_parameters_are_those_that_sam_passes_on(tmp_path, overrides):
    (tmp_path / "parameters.yaml").write_text(
        "Environment: dev\nReconcileSchedule: cron(0 2 * * ? *)\n"
        "WebhookSourceRanges: [203.0.113.7/32, 198.51.100.0/24]\n"
    )
    assert read(tmp_path, f"{ENVIRONMENT}parameter_overrides = {overrides}").overrides == EXPECTED


def test_an_environment_may_set_no_parameter(tmp_path):
    assert read(tmp_path, ENVIRONMENT).overrides == {}


def test_a_command_inherits_what_its_environment_says_for_all_commands(tmp_path):
    text = '[dev.global.parameters]\nregion = "eu-west-1"\nstack_name = "hub"\n'
    deployed = read(tmp_path, text + '[dev.deploy.parameters]\nregion = "eu-west-2"')
    assert (deployed.region, deployed.stack_name) == ("eu-west-2", "hub")


@pytest.mark.parametrize("value", ["cron(0 2 * * ? *)", "", 'a "quoted" word', "it's", "a=b c=d"])
def test_sam_reads_the_words_of_an_option_as_the_same_values(value):
    words = Deployment("eu-west-2", "hub", {"Environment": "dev"}).override_words(Other=value)
    parsed = CfnParameterOverridesType().convert(tuple(words), None, None)
    assert parsed == {"Environment": "dev", "Other": value}


@pytest.mark.parametrize("environment", ["local", "dev", "test", "staging", "prod"])
def test_the_section_of_an_environment_deploys_that_environment(environment):
    assert deployment(environment).overrides["Environment"] == environment
