"""`python -m tools.build ENV`: runs `sam build` for one environment and adds bytecode.

`sam build` ships no bytecode, and its zip dates every file 1980, so Lambda would compile each
module again at every cold start. Hash-based bytecode is valid whatever the date.

The local stack runs the functions on this machine, so its layer gets this machine's packages.
"""

from tools.starting import INTERRUPTED, importing

with importing():
    import fcntl
    import hashlib
    import os
    import shutil
    import subprocess
    import sys
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import contextmanager
    from pathlib import Path
    from typing import Final

    from packaging.tags import parse_tag, sys_tags
    from samtranslator.yaml_helper import yaml_parse

    from tools.samconfig import ROOT, deployment
    from tools.template import as_yaml

ENVIRONMENTS: Final = ("local", "dev", "test", "staging", "prod")
SOURCES: Final = (
    "functions",
    "layers",
    "statemachines",
    "template.yaml",
    "samconfig.toml",
    "tools/build.py",
    "tools/template.py",
)
LAYER: Final = Path("Dependencies") / "python"
PINS: Final = ROOT / "layers" / "dependencies" / "requirements.txt"
_SKIPPED: Final = ("__pycache__", ".pyc")


class BuildError(Exception):
    """`sam build` or the bytecode step failed; the text names the command and its exit code."""


def build_dir(environment: str) -> Path:
    """Return the folder of the environment's build: SAM's own folder, except for local."""
    return ROOT / ".aws-sam" / ("local" if environment == "local" else "build")


def build(environment: str, log: Path) -> bool:
    """Build unless the sources are unchanged since the last build. Return True if it built.

    Raises BuildError. `log` gets the output of the tools.
    """
    folder = build_dir(environment)
    stamp = folder.with_name(f"{folder.name}.fingerprint")
    with _only_one(folder):
        fingerprint = f"{environment} {fingerprint_of(*SOURCES)}"
        if stamp.exists() and stamp.read_text() == fingerprint:
            return False
        stamp.unlink(missing_ok=True)
        with log.open("w") as output:
            command = ["sam", "build", "--cached", "--build-dir", str(folder)]
            words = deployment(environment).override_words()
            _run([*command, "--parameter-overrides", *words], output)
            join_vpc(folder / "template.yaml", deployment(environment).overrides)
            if environment == "local":
                install_for_this_machine(folder / LAYER, output)
            compile_bytecode(folder, output)
        stamp.write_text(fingerprint)
    return True


def fingerprint_of(*sources: str) -> str:
    """Hash these files and folders of the project, and the interpreter's version."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _files(sources):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_bytecode(folder: Path, output: object = None) -> None:
    """Write unchecked hash-based bytecode for every artefact below `folder`. Raises BuildError."""
    for artefact in sorted(path for path in folder.iterdir() if path.is_dir()):
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode"]
        _run([*command, "unchecked-hash", "-s", str(artefact), "-p", "/", str(artefact)], output)


def join_vpc(built: Path, overrides: Mapping[str, str]) -> None:
    """Give the functions of a built template a VPC, if the parameters name one.

    Not a condition in template.yaml: SAM would let every function's role manage network interfaces
    also without a VPC.
    """
    if not overrides.get("VpcSubnetIds"):
        return
    template = yaml_parse(built.read_text())
    template["Globals"]["Function"]["VpcConfig"] = {
        # as values, not as references: SAM publishes a new version only if it sees a change
        name: overrides[f"Vpc{name}"].split(",")
        for name in ("SubnetIds", "SecurityGroupIds")
    }
    built.write_text(as_yaml(template))


def install_for_this_machine(layer: Path, output: object = None) -> None:
    """Replace the layer's packages, which are for Lambda's Linux, by this machine's own.

    The pins and hashes are the same. Raises BuildError, also if a package is not for this machine.
    """
    shutil.rmtree(layer)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", str(layer)]
    _run([*command, "--requirement", str(PINS)], output)
    shutil.rmtree(layer / "bin", ignore_errors=True)  # scripts name this machine's Python
    if foreign := foreign_packages(layer):
        raise BuildError(f"packages of the local layer are not for this machine: {foreign}")


def foreign_packages(layer: Path) -> list[str]:
    """Name the packages whose wheels do not fit this machine's platform and Python."""
    fitting = set(sys_tags())
    return [
        wheel.parent.name.removesuffix(".dist-info")
        for wheel in sorted(layer.glob("*.dist-info/WHEEL"))
        if not fitting & _tags(wheel.read_text())
    ]


def _tags(wheel: str) -> set[object]:
    lines = [line for line in wheel.splitlines() if line.startswith("Tag: ")]
    return {tag for line in lines for tag in parse_tag(line.removeprefix("Tag: "))}


def _files(sources: Iterable[str]) -> Iterator[Path]:
    for name in sources:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not any(part.endswith(_SKIPPED) for part in path.parts):
                yield path


def _run(command: list[str], output: object) -> None:
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        # pip must not write bytecode that compileall would then skip
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        check=False,
        stdout=output,  # type: ignore[call-overload]  # an open file or None
        stderr=subprocess.STDOUT if output else None,
    )
    if done.returncode:
        raise BuildError(f"{' '.join(command[:3])} ended with exit code {done.returncode}")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let only one build at a time write `folder`, because tests and `make up` may run together."""
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    environment = sys.argv[1] if len(sys.argv) == 2 else ""
    if environment not in ENVIRONMENTS:
        raise SystemExit(f"usage: python -m tools.build {{{'|'.join(ENVIRONMENTS)}}}")
    log = ROOT / ".aws-sam" / f"build-{environment}.log"
    log.parent.mkdir(exist_ok=True)
    try:
        built = build(environment, log)
    except BuildError as error:
        print(log.read_text())
        raise SystemExit(f"Build failed: {error}. The log is {log.relative_to(ROOT)}.") from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None  # without a fingerprint the next build starts again
    print(f"{'Built' if built else 'Up to date:'} {build_dir(environment).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
