"""The modules that decide something, and the tests that mirror each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.samconfig import ROOT

CODE: Final = ROOT / "functions" / "codat_hub"
_TESTS: Final = ROOT / "tests"
_DECIDING: Final = (
    "migration/domain/*.py",
    "migration/steps/*.py",
    "migration/usecases/*.py",
    "migration/adapters/ledger.py",
    "rate_limiting/domain/breaker.py",
    "refresh/domain/ticket.py",
    "refresh/usecases/refresh_product.py",
    "refresh/usecases/take_turn.py",
    "refresh/usecases/make_call.py",
    "refresh/usecases/record_outcome.py",
    "refresh/usecases/dispatch_refreshes.py",
    "refresh/usecases/due_tickets.py",
    "refresh/usecases/plan_refreshes.py",
    "refresh/usecases/wake_company.py",
    "refresh/domain/dispatch.py",
    "companies/domain/consent.py",
    "companies/usecases/consents.py",
    "reconcile/usecases/reconcile_directory.py",
    "storage/state_table.py",
)
# Further unit tests of a module, which have a name of their own.
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "activity_1_client_sync": ("activity_5_products", "rollback"),
    "consents": ("consent_holds",),
    "record_outcome": ("turns_passed_on",),
    "refresh_product": ("refresh_repeated", "turns_passed_on"),
}


def files_of(names: Sequence[str]) -> list[Path]:
    """Return the named modules, or all that decide. Raises SystemExit for an unknown name."""
    if not names:
        found = [path for pattern in _DECIDING for path in sorted(CODE.glob(pattern))]
        return [path for path in found if path.stem != "__init__"]
    return [path for name in names for path in _named(name)]


def _named(name: str) -> list[Path]:
    words = Path(name.removesuffix(".py")).parts
    found = [
        path for path in CODE.rglob("*.py") if path.with_suffix("").parts[-len(words) :] == words
    ]
    if not found:
        raise SystemExit(f"No module of {CODE.relative_to(ROOT)} is named {name}.")
    return sorted(found)


def tests_of(file: Path) -> list[Path]:
    """Return the test files of the module's name: unit tests, or component tests if none are."""
    feature = file.relative_to(CODE).parts[0]
    folders = [_TESTS / level / feature for level in ("unit", "component")]
    found = [folder / f"test_{file.stem}.py" for folder in folders]
    also = _ALSO.get(file.stem, ())
    mirror = next(([path] for path in found if path.exists()), [])
    return mirror + [folders[0] / f"test_{name}.py" for name in also]
