"""`blemish review` on the command line: wrong usage and missing extras."""

import sys

import pytest

from blemish.cli import main


def told(capsys, monkeypatch, *arguments):
    """Exit status and last line on stderr of `blemish review`."""
    monkeypatch.setattr("sys.argv", ["blemish", "review", *map(str, arguments), "--no-browser"])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "there is no file or folder 'nowhere'"),
        (["empty"], 1, "empty contains no image, video or text"),
        (["data.csv", "--model", "no.blemish"], 1, "no.blemish"),
        (["data.csv", "--key", "id"], 1, "has no column 'id'"),
        (["data.csv", "--column", "a"], 1, "--column is for texts, but these data are tabular"),
        (["data.csv", "--labels", "nowhere/l.db"], 1, "must be a file in an existing folder"),
        (["data.csv", "--labels", "data.csv"], 1, "is not a Blemish label database"),
        (["data.csv", "--labels", "mysql://a@b/c"], 1, "only be stored in SQLite or PostgreSQL"),
        (["data.csv", "--host", "256.0.0.1"], 2, "cannot listen on 256.0.0.1"),
    ],
)
def test_wrong_usage_is_one_line(capsys, monkeypatch, tmp_path, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "data.csv").write_text("a,b\n" + "1,2\n" * 30)
    monkeypatch.setattr("blemish.review.session.Review._begin", lambda self: None)
    code, line = told(capsys, monkeypatch, *arguments)
    assert (code, line[:7]) == (status, "error: ")
    assert message in line


def test_without_the_extra_the_message_names_it(capsys, monkeypatch, tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "blemish.review.launch", None)
    monkeypatch.delitem(sys.modules, "blemish.review.launch")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, line = told(capsys, monkeypatch, tmp_path / "data.csv")
    assert code == 1
    assert "blemish[app]" in line
