"""`blemish review` on the command line: wrong usage and missing extras."""

import sys

import pytest
from starlette.testclient import TestClient

from blemish.cli import main
from served import OWN, TOKEN, guarded


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


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A folder of texts, and what would be served of it instead of a page."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "secret.txt").write_text("the key is under the mat")
    for i in range(6):
        (tmp_path / "letters" / f"{i}.txt").write_text(f"letter {i} says that all is well")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("blemish.review.session.Review._begin", lambda self: None)
    reviews = []
    monkeypatch.setattr("blemish.review.launch.serve", lambda review, *_, **__: reviews.append(review))
    return reviews


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_link_out_of_the_folder_is_refused_where_others_may_look(host, capsys, monkeypatch, letters, tmp_path):
    (tmp_path / "letters" / "6.txt").symlink_to(tmp_path / "secret.txt")
    code, line = told(capsys, monkeypatch, "letters", "--host", host)
    assert code == 2
    assert line.startswith("error: 6.txt is a link that leads out of letters")
    assert line.endswith("leave out --host")
    assert letters == []


def test_a_link_that_is_made_later_shows_nothing_to_others(monkeypatch, letters, tmp_path):
    monkeypatch.setattr("sys.argv", ["blemish", "review", "letters", "--host", "0.0.0.0", "--no-browser"])
    with pytest.raises(SystemExit, match="0"):
        main()
    (review,) = letters
    client = TestClient(guarded(review, tmp_path / "cache", host="0.0.0.0"), base_url=OWN)
    client.get(f"/?token={TOKEN}")
    row = list(review.catalogue.keys).index("0.txt")
    assert "letter 0" in client.get(f"/api/sample/{review.catalogue.digest(row)}").text
    (tmp_path / "letters" / "0.txt").unlink()
    (tmp_path / "letters" / "0.txt").symlink_to(tmp_path / "secret.txt")
    for path in ("/api/items?start=0&count=9", f"/api/rows?rows={row}", "/api/export/labels"):
        answer = client.get(path)
        assert answer.status_code < 500, answer.text
        assert "under the mat" not in answer.text
    review.stop()


def test_on_this_machine_links_are_followed(monkeypatch, letters, tmp_path):
    (tmp_path / "letters" / "6.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr("sys.argv", ["blemish", "review", "letters", "--no-browser"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert len(letters[0].catalogue) == 7
