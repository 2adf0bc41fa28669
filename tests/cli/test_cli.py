"""What all commands share: exit status, one-line errors, help."""

import os

import pytest

from blemish.cli import app
from blemish.core.version import __version__

pytestmark = pytest.mark.usefixtures("few_trees")


def test_wrong_usage_is_status_2(folder, model, blemish):
    data = folder / "train.csv"
    for arguments in (
        ("fit",),
        ("fit", data),
        ("fit", data, "-o", folder / "x.blemish", "--epochs", "0"),
        ("fit", data, "-o", folder / "x.blemish", "--backbone", "mpl"),
        ("fit", data, "-o", folder / "x.blemish", "--backbone", "{name: mlp, widths: ["),
        ("fit", data, "-o", folder / "x.blemish", "--preset", "none"),
        ("fit", data, "-o", folder / "x.blemish", "--config", folder / "absent.yaml"),
        ("score", model, data, "-o", folder / "x.xlsx"),
        ("score", model),
        ("threshold", model),
        ("threshold", model, "--recall", "0.5", "--precision", "0.5"),
        ("threshold", model, "--budget", "some"),
        ("threshold", model, "--recall", "1.5"),
        ("threshold", model, "--defect-share", "1"),
        ("nonsense",),
        ("info", model, "--nonsense"),
    ):
        status, _, err = blemish(*arguments)
        assert status == 2, arguments
        assert "Traceback" not in err
    assert not (folder / "x.blemish").exists()


def test_failed_work_is_status_1_and_one_line(folder, model, blemish):
    data, out = folder / "train.csv", folder / "x.blemish"
    (folder / "empty.csv").write_text("")
    (folder / "one.csv").write_text("a\nx\n")
    (folder / "minus.csv").write_text("a,y\n1,-1\n2,1\n")
    (folder / "inf.csv").write_text("a,b\n1,inf\n2,3\n")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    for arguments, message in (
        (("fit", folder / "absent.csv", "-o", out), "there is no file or folder"),
        (("fit", folder / "empty.csv", "-o", out), "cannot be read as a table"),
        (("fit", folder / "minus.csv", "--labels", "y", "-o", out), "labels hold -1, which means"),
        (("fit", folder / "inf.csv", "-o", out), "row 0, column 'b' is infinity"),
        (("fit", data, "--labels", "kid", "-o", out), "has no column 'kid'; it has"),
        (("fit", data, "--labels", "kind", "-o", out), "label 'normal' is not one of|label 'leak' is not one of"),
        (
            ("fit", data, "--labels", "kind", "--defect", "lea", "-o", out),
            "no row has the label 'lea'; the column holds",
        ),
        (("fit", data, "--defect-folder", "kind", "-o", out), "--defect-folder is for folders"),
        (("fit", data, "-o", folder / "no" / "x.blemish"), "its folder does not exist; make it first"),
        (("fit", data, "--names", "absent.txt", "-o", out), "there is no file 'absent.txt' of column names"),
        (("fit", folder / "images", "--glob", "*.gif", "-o", out), "contains no image, video or text named '*.gif'"),
        (("fit", folder, "--glob", "*.csv", "-o", out), "it contains tables: give one of them, such as "),
        (("fit", folder / "images", "--modality", "tabular", "-o", out), "the data are image, not tabular"),
        (("fit", folder / "images", "--labels", "absent.csv", "-o", out), "there is no table of labels 'absent.csv'"),
        (("score", folder / "absent.blemish", data, "-o", folder / "s.csv"), "there is no model file"),
        (("score", data, data, "-o", folder / "s.csv"), "is not a model file, or is truncated"),
        (("score", model, folder / "other.csv", "-o", folder / "s.csv"), "lacks 'speed', 'protocol'"),
        (("score", model, folder / "images", "-o", folder / "s.csv"), "the model is for tabular"),
        (("score", model, data, "-o", folder / "s.csv", "--key", "kid"), "has no column 'kid'"),
        (("evaluate", model, data), "no ground truth: use --truth COLUMN"),
        (("evaluate", model, data, "--truth", "kid"), "there is no label column 'kid'"),
        (("threshold", model, "--recall", "0.99"), "needs at least 99 labelled defects, there are 12"),
        (("threshold", model, "--budget", "100000"), "budget=100000 must lie between 1 and"),
    ):
        status, printed, err = blemish(*arguments)
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        assert (status, len(errors)) == (1, 1), (arguments, err)
        assert any(part in errors[0] for part in message.split("|")), (arguments, err)
        assert "Traceback" not in err
        assert "wrote" not in printed
    assert not out.exists()
    assert not (folder / "s.csv").exists()


def test_nothing_that_is_read_is_overwritten_and_no_device_replaced(folder, model, blemish, monkeypatch):
    data, link, device = folder / "both.csv", folder / "to_data.blemish", folder / "device"
    data.write_bytes((folder / "train.csv").read_bytes())
    os.mkfifo(device)
    link.symlink_to(data)
    for arguments, message in (
        (("score", model, data, "-o", data), "it is one of the input files; name another file"),
        (("fit", data, "-o", data), "it is one of the input files; name another file"),
        (("fit", data, "-o", link), "it is one of the input files; name another file"),
        (("export", model, "--data", data, "-o", folder), "must end in .onnx"),
        (("fit", data, "-o", device), "it is a folder or a device"),
        (("fit", data, "-o", folder), "it is a folder or a device"),
        (("report", model, data, "-o", folder / "no" / "r.html"), "its folder does not exist"),
        (("evaluate", model, data, "--truth", "kind", "--plot", folder / "no" / "r.html"), "its folder does not exist"),
    ):
        status, out, err = blemish(*arguments)
        assert status > 0
        assert message in err
        assert "wrote" not in out
    assert data.read_bytes() == (folder / "train.csv").read_bytes()
    assert device.is_fifo()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "is read-only for you" in blemish("fit", data, "-o", folder / "x.blemish")[2]


def test_debug_shows_the_traceback(blemish, folder):
    with pytest.raises(Exception, match="there is no model file"):
        blemish("info", folder / "absent.blemish", "--debug")


def test_the_version_is_told(blemish):
    assert blemish("--version") == (0, f"blemish {__version__}\n", "")


def test_every_command_has_help(blemish):
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__")  # noqa: B009
        status, out, _ = blemish(name, "--help")
        assert status == 0
        assert "Usage: " in out
