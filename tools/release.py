"""`python -m tools.release ENV`: package a build for people who deploy with tools of their own.

dist/codat-hub-VERSION/ has the template, the archives that it names, the state machine, a list of
the packages in the layer (CycloneDX) and the checksums of all of them. Two runs make the same
bytes.
"""

from tools.starting import INTERRUPTED, importing

with importing():
    import hashlib
    import shutil
    import subprocess
    import sys
    import tomllib
    import zipfile
    from collections.abc import Callable
    from pathlib import Path
    from typing import Final

    from samtranslator.yaml_helper import yaml_parse

    from tools.build import ENVIRONMENTS, BuildError, build, build_dir
    from tools.checks.__main__ import HOME
    from tools.checks.__main__ import PINS as CHECKS
    from tools.pinned import NotInstalled, installed
    from tools.samconfig import ROOT
    from tools.template import as_yaml

_DATE: Final = (1980, 1, 1, 0, 0, 0)  # of every file, so that the bytes are the same
_PINS: Final = ROOT / "layers" / "dependencies" / "requirements.txt"
_SUMS: Final = "SHA256SUMS"


def release(built: Path, folder: Path, bill: Callable[[Path], None]) -> list[Path]:
    """Package a build into a folder; return the files. `bill` writes the list of packages."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    template = yaml_parse((built / "template.yaml").read_text())
    template["Globals"]["Function"].pop("CodeUri", None)
    for name, body in template["Resources"].items():
        properties = body.get("Properties", {})
        for uri, archive in (("CodeUri", "functions.zip"), ("ContentUri", "dependencies.zip")):
            if uri in properties:
                properties[uri] = archive
                pack(built / name, folder / archive)
        if "DefinitionUri" in properties:
            properties["DefinitionUri"] = "migration.asl.json"
    shutil.copyfile(ROOT / "statemachines" / "migration.asl.json", folder / "migration.asl.json")
    (folder / "template.yaml").write_text(as_yaml(template))
    bill(folder / "packages.cdx.json")
    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / _SUMS).write_text("".join(sums))
    return [*files, folder / _SUMS]


def pack(source: Path, archive: Path) -> None:
    """Write a folder as a zip whose bytes depend on names and contents only.

    The functions have one code, so their archives are one. Raises BuildError if they differ.
    """
    written = archive.with_suffix(".new")
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(source)), _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(entry, path.read_bytes())
    if archive.exists() and archive.read_bytes() != written.read_bytes():
        raise BuildError(f"{source.name} has another code than {archive.name}")
    written.replace(archive)


def bill_of_packages(target: Path) -> None:
    """Write what the layer holds as CycloneDX. Raises NotInstalled, BuildError."""
    command = [str(installed(CHECKS, HOME) / "cyclonedx-py"), "requirements", str(_PINS)]
    command += ["--output-reproducible", "--output-format", "JSON", "--outfile", str(target)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(done.stderr)


def main() -> None:
    environment = sys.argv[1] if len(sys.argv) == 2 else ""
    if environment not in ENVIRONMENTS:
        raise SystemExit(f"usage: python -m tools.release {{{'|'.join(ENVIRONMENTS)}}}")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    folder = ROOT / "dist" / f"codat-hub-{version}"
    log = ROOT / ".aws-sam" / f"build-{environment}.log"
    log.parent.mkdir(exist_ok=True)
    try:
        build(environment, log)
        files = release(build_dir(environment), folder, bill_of_packages)
    except (BuildError, NotInstalled) as error:
        raise SystemExit(f"Not packaged: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    for file in files:
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
