import pytest

from tools.mutation import modules
from tools.mutation.modules import CODE, files_of
from tools.samconfig import ROOT


def test_every_module_that_decides_is_there_once():
    files = files_of([])
    assert len(files) == len(set(files)) > 30
    names = {path.stem for path in files}
    assert {"activity_5_products", "breaker", "state_table"} <= names
    assert "__init__" not in names


def test_a_module_is_found_by_its_name_or_the_end_of_its_path():
    ticket = CODE / "refresh" / "domain" / "ticket.py"
    assert files_of(["ticket"]) == files_of(["refresh/domain/ticket"]) == [ticket]
    assert len(files_of(["consumers"])) > 1


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="No module of functions/codat_hub is named tickets"):
        files_of(["tickets"])


@pytest.mark.parametrize(
    ("module", "tests"),
    [
        ("migration/domain/run", ["unit/migration/test_run"]),
        ("migration/adapters/ledger", ["component/migration/test_ledger"]),
        (
            "companies/usecases/consents",
            ["unit/companies/test_consents", "unit/companies/test_consent_holds"],
        ),
    ],
)
def test_tests_have_the_name_of_the_module(module, tests):
    found = modules.tests_of(CODE / f"{module}.py")
    assert found == [ROOT / "tests" / f"{name}.py" for name in tests]


def test_every_module_that_decides_has_tests():
    for file in files_of([]):
        assert modules.tests_of(file), file
        assert all(test.exists() for test in modules.tests_of(file))
