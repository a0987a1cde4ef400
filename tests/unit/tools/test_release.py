"""A release has the template, what the template names, and the checksums of all of it."""

import hashlib
import re
import zipfile

import pytest
from samtranslator.yaml_helper import yaml_parse

from tools.build import BuildError
from tools.release import release
from tools.template import FUNCTIONS, ROOT, TEMPLATE


@pytest.fixture
def built(tmp_path):
    """Return a folder as `sam build` leaves it."""
    folder = tmp_path / "built"
    for function in FUNCTIONS:
        (folder / function.logical_id / "codat_hub").mkdir(parents=True)
        (folder / function.logical_id / "codat_hub" / "errors.py").write_text("code")
    (folder / "Dependencies" / "python").mkdir(parents=True)
    (folder / "Dependencies" / "python" / "boto3.py").write_text("layer")
    text = (ROOT / "template.yaml").read_text()
    # `sam build` writes where it has built each function
    text = text.replace("      Handler: ", "      CodeUri: Built\n      Handler: ")
    (folder / "template.yaml").write_text(text)
    return folder


def bill(target):
    target.write_text("{}")


def test_the_template_names_files_of_the_release(built, tmp_path):
    release(built, tmp_path / "dist", bill)
    packaged = yaml_parse((tmp_path / "dist" / "template.yaml").read_text())
    named = {
        body["Properties"][uri]
        for body in packaged["Resources"].values()
        for uri in ("CodeUri", "ContentUri", "DefinitionUri")
        if uri in body.get("Properties", {})
    }
    assert named == {"functions.zip", "dependencies.zip", "migration.asl.json"}
    assert all((tmp_path / "dist" / name).is_file() for name in named)
    with zipfile.ZipFile(tmp_path / "dist" / "functions.zip") as archive:
        assert archive.namelist() == ["codat_hub/errors.py"]
    for part in ("Parameters", "Conditions", "Rules", "Outputs"):
        assert packaged[part] == TEMPLATE[part]
    assert packaged["Resources"]["StateTable"] == TEMPLATE["Resources"]["StateTable"]


def test_two_releases_are_the_same_and_their_checksums_hold(built, tmp_path):
    first, second = (release(built, tmp_path / name, bill) for name in ("one", "two"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    lines = (tmp_path / "one" / "SHA256SUMS").read_text()
    sums = {name: digest for digest, name in re.findall(r"(\w{64})  (\S+)", lines)}
    assert set(sums) == {file.name for file in first} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / "one" / name).read_bytes()).hexdigest() == digest


def test_functions_with_different_code_are_no_release(built, tmp_path):
    (built / FUNCTIONS[0].logical_id / "codat_hub" / "errors.py").write_text("other code")
    with pytest.raises(BuildError, match="another code"):
        release(built, tmp_path / "dist", bill)
