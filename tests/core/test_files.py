"""Files and names as they are found on a disk."""

import os
import socket
from pathlib import Path

import pytest

from blemish.core.files import folder_being_read, named, open_regular, outside, printable, reading_in


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"content")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    for name in ("a.png", "link.png"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for name in ("pipe.png", "zero.png", "folder.png", "socket.png"):
            with pytest.raises(OSError, match="not a regular file"):
                open_regular(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent.png")


def test_a_pipe_that_takes_a_files_place_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(Path, "is_file", lambda *_: True)
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "a.png")


@pytest.mark.parametrize(
    "raw", [b"plain.png", b"gr\xfcn.png", "grün.png".encode(), b"\xff\xfe/\x80.png", b"a\\xff.png"]
)
def test_every_name_can_be_written_and_found_again(raw, tmp_path):
    path = tmp_path / os.fsdecode(raw)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"content")
    name = printable(path.relative_to(tmp_path).as_posix())
    assert name.encode()
    assert named(tmp_path, name).read_bytes() == b"content"


def test_a_surrogate_that_stands_for_no_byte_is_written_too():
    assert printable("\ud800") == "\\ud800"


def test_links_that_lead_out_of_a_folder_are_known(tmp_path):
    inside = tmp_path / "data"
    inside.mkdir()
    (inside / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    (inside / "near").symlink_to("a")
    (inside / "far").symlink_to(tmp_path / "b")
    (inside / "up").symlink_to(tmp_path)
    assert [outside(inside, inside / name) for name in ("a", "near", "far", "up/b", "up/data/a")] == [
        False, False, True, True, False
    ]  # fmt: skip


def test_what_a_file_names_may_lie_alongside(tmp_path):
    assert folder_being_read() is None
    with reading_in(tmp_path):
        assert folder_being_read() == tmp_path
        with reading_in(tmp_path / "inner"):
            assert folder_being_read() == tmp_path / "inner"
    assert folder_being_read() is None
