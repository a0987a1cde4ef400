"""The local layer holds packages that load on this machine."""

from packaging.tags import sys_tags

from tools.build import foreign_packages


def a_package(layer, name, *tags):
    folder = layer / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    lines = ["Wheel-Version: 1.0", *(f"Tag: {tag}" for tag in tags)]
    (folder / "WHEEL").write_text("\n".join(lines))


def test_a_package_for_another_platform_or_python_is_foreign(tmp_path):
    a_package(tmp_path, "pure", "py2-none-any", "py3-none-any")
    a_package(tmp_path, "own", str(next(sys_tags())))
    a_package(tmp_path, "other_system", "cp313-cp313-win_amd64")
    a_package(tmp_path, "other_python", "cp27-cp27m-manylinux_2_17_x86_64")
    assert foreign_packages(tmp_path) == ["other_python-1.0", "other_system-1.0"]
