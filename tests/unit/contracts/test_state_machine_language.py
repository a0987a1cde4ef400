"""The migration's state machine is valid by the specification of the Amazon States Language."""

import json

import pytest
from statelint.linter import Linter

from tools.samconfig import ROOT

DEFINITION = ROOT / "statemachines" / "migration.asl.json"
# The specification leaves ReaderConfig to the service; AWS's Developer Guide has InputType JSON.
OF_THE_SERVICE = 'Field "InputType" not allowed in '


def problems(definition):
    return [text for text in Linter.validate(definition) if not text.startswith(OF_THE_SERVICE)]


def test_the_definition_is_valid():
    assert problems(str(DEFINITION)) == []


@pytest.mark.parametrize(
    ("state", "field", "value"),
    [
        ("SurveyCompanies", "Next", "NoSuchState"),
        ("PlanPause", "Type", "Pause"),
        ("PlanPause", "Seconds", 5),
    ],
)
def test_a_mistake_is_found(state, field, value):
    broken = json.loads(DEFINITION.read_text())
    broken["States"][state][field] = value
    assert problems(broken) != []
