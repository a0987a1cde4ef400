import pytest

from tools.mutation import modules
from tools.mutation.modules import CODE, files_of


def test_every_module_that_decides_is_there_once():
    files = files_of([])
    assert len(files) == len(set(files)) > 30
    names = {path.stem for path in files}
    assert {"activity_5_products", "breaker", "state_table"} <= names
    assert not {"__init__", "ports"} & names


def test_a_module_is_found_by_its_name_or_the_end_of_its_path():
    ticket = CODE / "refresh" / "domain" / "ticket.py"
    assert files_of(["ticket"]) == files_of(["refresh/domain/ticket"]) == [ticket]
    assert len(files_of(["consumers"])) > 1


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="No module of functions/codat_hub is named tickets"):
        files_of(["tickets"])


def test_tests_of_the_modules_own_name_come_first():
    first, second, *rest = modules.tests_of(CODE / "migration" / "domain" / "run.py")
    assert first.match("tests/unit/migration/test_run.py")
    assert second.match("tests/component/migration/test_run.py")
    assert {path.parent for path in rest} == {first.parent}
    assert first not in rest
