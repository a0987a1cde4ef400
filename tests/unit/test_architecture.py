"""Imports point one way, folders stay small, and the webhook path carries nothing heavy."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import codat_hub
from tools.samconfig import ROOT
from tools.template import FUNCTIONS

PACKAGE = Path(codat_hub.__file__).parent
FUNCTIONS_FOLDER, TOOLS = ROOT / "functions", ROOT / "tools"
MOST_SIBLINGS = 15
MODULES = sorted(PACKAGE.rglob("*.py"))
# Each may import itself and what stands before it.
FEATURES = [
    "errors",
    "telemetry",
    "storage",
    "codat",
    "webhooks",
    "products",
    "rate_limiting",
    "companies",
    "product_events",
    "refresh",
    "reconcile",
    "migration",
    "settings",
    "api",
    "handlers",
]
# Layers of a feature: decisions know no input or output, use cases know no adapters.
LAYERS = {
    "domain": {"domain"},
    "ports": {"domain", "ports"},
    "usecases": {"domain", "ports", "usecases", "steps"},
    "steps": {"domain", "ports", "usecases", "steps"},
    "adapters": {"domain", "ports", "adapters"},
}
WITHOUT_LAYERS = {"errors", "telemetry", "settings", "api", "handlers", "__init__"}
# Flat modules of a feature whose names say that they do input and output.
ADAPTER_NAMES = ("_table", "_queue", "_store", "_client", "_cache")
HEAVY_ON_THE_WEBHOOK_PATH = {
    "pydantic",
    "httpx",
    "svix",
    "aws_xray_sdk",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.parser",
    "codat_hub.api",
}


def parts_of(path: Path) -> tuple[str, ...]:
    """Return a module's name below the package, such as ("refresh", "domain", "ticket")."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def layer_of(parts: tuple[str, ...]) -> str | None:
    """Return the layer that a module belongs to; None for one that has none, such as a handler."""
    feature, inside = parts[0], parts[1] if len(parts) > 1 else ""
    if feature in WITHOUT_LAYERS or inside in {"", "__init__"}:
        return None
    if inside.endswith(ADAPTER_NAMES):
        return "adapters"
    return inside if inside in LAYERS else "domain"


def hub_imports(path: Path) -> set[tuple[str, ...]]:
    """Return the modules and names of ours that a module imports, for typing or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split("."))
            found |= {(*module, alias.name) for alias in node.names}
    return {name[1:] for name in found if name[0] == "codat_hub"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_feature_uses_only_what_stands_before_it(path):
    feature, *_ = parts_of(path)
    before = FEATURES[: FEATURES.index(feature) + 1] if feature in FEATURES else []
    assert {imported[0] for imported in hub_imports(path)} <= set(before)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_inside_and_between_features_the_layers_point_one_way(path):
    layer = layer_of(parts_of(path))
    layers = {layer_of(imported) for imported in hub_imports(path)} - {None}
    assert layer is None or layers <= LAYERS[layer]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_relative_import_hides_a_direction(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


def modules_named(path: Path) -> set[str]:
    """Return the first parts of all modules that a module imports, by statement or by name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"^\w+(?=\.\w[\w.]*$)", node.value))  # for import_module
    return {name.split(".")[0] for name in found}


@pytest.mark.parametrize(
    ("folder", "others"), [(TOOLS, {"tests"}), (FUNCTIONS_FOLDER, {"tests", "tools"})]
)
def test_what_runs_outside_the_tests_imports_nothing_of_theirs(folder, others):
    guilty = [path for path in sorted(folder.rglob("*.py")) if modules_named(path) & others]
    assert guilty == []


@pytest.mark.parametrize("top", [FUNCTIONS_FOLDER, TOOLS], ids=lambda top: top.name)
def test_a_folder_holds_few_enough_modules_to_be_seen_at_a_glance(top):
    siblings = Counter(path.parent.relative_to(ROOT) for path in top.rglob("*.py"))
    assert {folder: n for folder, n in siblings.items() if n > MOST_SIBLINGS} == {}


def run_bare(code: str, **env: str) -> str:
    """Run code in a fresh interpreter with nothing but `env` in its environment."""
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_but_the_handlers_imports_with_an_empty_environment():
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if parts_of(path)[0] != "handlers"
    ]
    run_bare("\n".join(f"import {name}" for name in names))


def test_every_handler_module_is_a_function_of_the_template_and_the_reverse():
    handlers = {path.stem for path in (PACKAGE / "handlers").glob("[a-z]*.py")}
    assert handlers == {function.module for function in FUNCTIONS}


def test_the_webhook_path_imports_nothing_heavy():
    loaded = run_bare(
        "import codat_hub.handlers.receive_webhook; print(*sys.modules, sep='\\n')",
        AWS_DEFAULT_REGION="eu-west-2",
        INBOX_TABLE="t",
        SIGNING_SECRETS_ARN="a",
        INBOX_RETENTION_DAYS="45",
        SECRET_RELOAD_SECONDS="60",
    )
    assert "codat_hub.webhooks.receive_webhook" in loaded.split()
    assert HEAVY_ON_THE_WEBHOOK_PATH & set(loaded.split()) == set()
