"""One file, whole or not at all, and nothing in it runs."""

import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from blemish import load
from blemish.core.errors import ArtifactError
from blemish.core.store import check_whole, write
from blemish.core.version import __version__


def test_the_file_holds_no_pickle(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    content = (tmp_path / "m.blemish").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    manifest = json.loads(header["__metadata__"]["blemish"])
    assert manifest["schema"] == 2
    assert {"modality", "detector", "known_names"} <= set(manifest)
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    assert 8 + int.from_bytes(content[:8], "little") + max(ends) == len(content)  # nothing but header and numbers
    assert not zipfile.is_zipfile(tmp_path / "m.blemish")


def test_a_truncated_file_is_refused(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    content = (tmp_path / "m.blemish").read_bytes()
    for length in (0, 4, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.blemish").write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=r"cut\.blemish is not a model file, or is truncated"):
            load(tmp_path / "cut.blemish")


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "a.blemish").write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(ArtifactError, match="is not a model file, or is truncated"):
        load(tmp_path / "a.blemish")
    save_file({"w": np.zeros(3)}, tmp_path / "b.blemish")
    with pytest.raises(ArtifactError, match="is a safetensors file, but not one of Blemish's"):
        load(tmp_path / "b.blemish")
    with pytest.raises(ArtifactError, match="there is no model file"):
        load(tmp_path / "absent.blemish")


@pytest.mark.parametrize("schema", [3, 99, 0, -1, "new", None, 1.5])
def test_a_newer_or_unknown_schema_is_refused_with_its_version(schema, tmp_path):
    path, reads = (
        tmp_path / "m.blemish",
        f"this Blemish {__version__} reads schema 1 to 2; upgrade blemish, or fit again",
    )
    write(path, {}, {"schema": schema, "detector": {"training_": {"versions": {"blemish": "9.9"}}}})
    with pytest.raises(ArtifactError, match=re.escape(f"{path} has schema {schema!r} of Blemish 9.9, {reads}")):
        load(path)
    write(path, {}, {"schema": schema})
    with pytest.raises(ArtifactError, match=re.escape(f"{path} has schema {schema!r}, {reads}")):
        load(path)


def test_a_manifest_that_is_not_one_is_refused(tmp_path):
    for text in ("", "[]", "{}", "{"):
        save_file({"w": np.zeros(3)}, tmp_path / "m.blemish", metadata={"blemish": text})
        with pytest.raises(ArtifactError, match=r"the manifest of .*m\.blemish cannot be read; fit again"):
            load(tmp_path / "m.blemish")


def test_writing_is_all_or_nothing(table_detector, tmp_path, monkeypatch):
    path = tmp_path / "m.blemish"
    table_detector.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(
        "blemish.core.store.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ArtifactError, match="No space left on device"):
        table_detector.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_refused(table_detector, tmp_path):
    with pytest.raises(ArtifactError, match="its folder does not exist; make it first"):
        table_detector.save(tmp_path / "no" / "m.blemish")


def test_a_damaged_file_is_refused_before_the_imports_that_take_seconds(tmp_path):
    path = tmp_path / "m.blemish"
    write(path, {"a": np.arange(9.0)}, {})
    check_whole(path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code = (
        "import sys; from blemish.cli.commands import run\n"
        f"try: run(['info', {str(path)!r}])\n"
        "except SystemExit as end: print(end.code, [name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "1 []\n"
    assert done.stderr.count("does not have its digest") == 1
    (tmp_path / "m.onnx").write_bytes(b"")
    check_whole(tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match="there is no model file"):
        check_whole(tmp_path / "none.blemish")
