"""The check of the built wheel (`make build`) finds what is missing and what does not belong."""

import zipfile

from wheel_check import ROOT, problems


def test_files_that_are_missing_or_foreign_are_named(tmp_path):
    source = tmp_path / "src"
    for name in ("p/__init__.py", "p/py.typed", "p/page.css", "p/__pycache__/a.pyc"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    with zipfile.ZipFile(tmp_path / "p.whl", "w") as archive:
        for name in ("p/__init__.py", "p/page.css", "tests/test_p.py", "p-1.dist-info/METADATA"):
            archive.writestr(name, "")
    assert problems(tmp_path / "p.whl", source) == [
        "p/py.typed is not in the wheel",
        "tests/test_p.py does not belong in the wheel",
    ]


def test_the_package_is_marked_as_typed():
    assert (ROOT / "src" / "blemish" / "py.typed").is_file()
    assert "Typing :: Typed" in (ROOT / "pyproject.toml").read_text()
