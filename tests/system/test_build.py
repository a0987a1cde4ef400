"""A build is complete without the test environment, reproducible, and has bytecode."""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench import cold_start
from tools.build import SOURCES, build_dir, compile_bytecode, foreign_packages
from tools.samconfig import ROOT
from tools.template import FUNCTIONS, RESOURCES, TEMPLATE

LAYER = "Dependencies"
# the variables of all Lambdas; settings refuse to load without those of their handler
VARIABLES = {
    name: "1" for function in FUNCTIONS for name in function.own_variables
} | {
    "AWS_DEFAULT_REGION": "eu-west-2",
    "CODAT_BASE_URL": "https://codat.example",
    "SEND_PRODUCTS_ON_CREATE": "false",
    "LEASE_SCOPE": "company",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(local_stack):
    return build_dir("local")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.logical_id)
def test_a_handler_imports_from_its_own_code_and_the_layer_alone(built, function):
    path = [str(built / function.logical_id), str(built / LAYER / "python")]
    code = f"import sys; sys.path[:0] = {path}; import codat_hub.handlers.{function.module}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], env=VARIABLES, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("artefact", [LAYER, *(function.logical_id for function in FUNCTIONS)])
def test_every_module_is_shipped_with_bytecode_that_no_date_can_make_stale(built, artefact):
    sources = list((built / artefact).rglob("*.py"))
    assert sources
    missing = [path for path in sources if not has_unchecked_bytecode(path)]
    assert missing == []


def has_unchecked_bytecode(source):
    compiled = importlib.util.cache_from_source(str(source))
    try:
        with Path(compiled).open("rb") as bytecode:
            flags = int.from_bytes(bytecode.read(8)[4:], "little")
    except FileNotFoundError:
        return False
    return flags == 0b01  # hash-based, never checked against the source


def test_the_local_layer_is_of_this_machines_platform_and_has_the_pinned_versions(built):
    layer = built / LAYER / "python"
    assert foreign_packages(layer) == []
    installed = {path.name.removesuffix(".dist-info") for path in layer.glob("*.dist-info")}
    pins = (ROOT / "layers/dependencies/requirements.txt").read_text()
    pinned = re.findall(r"^([\w-]+)==([\w.]+)", pins, re.MULTILINE)
    assert installed == {f"{name.replace('-', '_')}-{version}" for name, version in pinned}
    # pip marks what it installs here; `sam build` unpacks the packages for Lambda
    assert len(list(layer.glob("*.dist-info/INSTALLER"))) == len(installed)


def test_a_build_with_bytecode_is_reproducible(built, tmp_path):
    digests = set()
    for name in ("one", "another/folder"):
        copied = shutil.copytree(built, tmp_path / name)
        for cache in list(copied.rglob("__pycache__")):
            shutil.rmtree(cache)
        compile_bytecode(copied)
        digests.add(digest_of(copied))
    assert digests == {digest_of(built)}


def digest_of(folder):
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def test_the_webhook_function_loads_its_unavoidable_imports_and_its_own_modules_only(built):
    def loaded(program):
        path = [str(built / "ReceiveWebhookFunction"), str(built / LAYER / "python")]
        code = f"import sys; sys.path[:0] = {path}\n{program}\nprint(*sys.modules)"
        command = [sys.executable, "-I", "-S", "-c", code]
        done = subprocess.run(command, env=VARIABLES, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    extra = loaded(cold_start.FUNCTION) - loaded(cold_start.UNAVOIDABLE)
    extra -= set(sys.builtin_module_names)  # they are part of the interpreter
    assert {name for name in extra if not name.startswith("codat_hub")} == set()


def test_a_build_depends_on_every_source_that_the_template_names():
    paths = [TEMPLATE["Globals"]["Function"]["CodeUri"]]
    for body in RESOURCES.values():
        names = ("CodeUri", "ContentUri", "DefinitionUri")
        paths += [body["Properties"][n] for n in names if n in body.get("Properties", {})]
    assert {path.split("/")[0] for path in paths} <= set(SOURCES)


def test_the_layer_has_only_dependencies_and_the_function_only_the_hubs_code(built):
    assert not list((built / LAYER).rglob("codat_hub"))
    for function in FUNCTIONS:
        assert [path.name for path in (built / function.logical_id).iterdir()] == ["codat_hub"]
