"""The page's HTTP interface."""

import json

import numpy as np
import pytest
from starlette.testclient import TestClient

from blemish.review import answers
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
from served import OWN, TOKEN, guarded, mark


def as_json(one):
    return {name: getattr(one, name) for name in Mark.__dataclass_fields__ if getattr(one, name) is not None}


def test_marks_over_http_are_durable_and_sending_twice_is_harmless(guest, review):
    marks = [as_json(mark(review, row)) for row in range(3)]
    assert guest.post("/api/marks", json={"marks": marks}).json() == {"saved": [m["id"] for m in marks], "new": 3}
    assert guest.post("/api/marks", json={"marks": marks}).json()["new"] == 0
    assert [entry.mark.id for entry in Ledger(review.ledger.address).everything()] == [m["id"] for m in marks]
    state = guest.get("/api/state").json()
    assert state["counts"]["defect"] == 3
    assert state["found"] == [[1, 1], [2, 2], [3, 3]]
    items = guest.get("/api/items?show=defect").json()
    assert {item["row"] for item in items["items"]} == {0, 1, 2}


def test_a_full_disk_is_said_over_http_and_the_page_may_try_again(guest, review):
    with review.ledger._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    marks = [{**as_json(mark(review, row)), "key": "k" * 4000} for row in range(60)]
    answer = guest.post("/api/marks", json={"marks": marks})
    assert answer.status_code == 507
    assert "is full" in answer.json()["error"]
    with review.ledger._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert guest.post("/api/marks", json={"marks": marks}).json()["new"] == 60


def test_items_are_in_the_rankings_order_and_know_their_content(guest, review):
    answer = guest.get("/api/items?start=2&count=3").json()
    assert [item["row"] for item in answer["items"]] == review.ranking.order[2:5].tolist()
    assert [item["rank"] for item in answer["items"]] == [3, 4, 5]
    assert answer["total"] == len(review.catalogue)
    first = answer["items"][0]
    assert first["key"].startswith("part ")
    assert first["id"] == review.catalogue.digest(first["row"])
    assert set(first["summary"]) == {f"x{i}" for i in range(6)}
    assert guest.get(f"/api/rows?rows={first['row']}").json()["items"] == [first]


def test_a_sample_tells_why_and_what_was_said_of_it(guest, review):
    review.write([mark(review, 5), mark(review, 5, None, number=1, undoes=mark(review, 5).id)])
    detail = guest.get(f"/api/sample/{review.catalogue.digest(5)}").json()
    assert len(detail["reasons"]["elements"]) > 0
    assert {one["element"] for one in detail["reasons"]["elements"]} <= {f"x{i}" for i in range(8)}
    assert [one["label"] for one in detail["history"]] == ["defect", None]
    assert detail["people"] == {}
    assert set(detail["whole"]) == {f"x{i}" for i in range(8)}
    assert sum(detail["chances"].values()) == pytest.approx(1, abs=1e-3)


def test_the_map_has_every_scored_sample_once(guest, review):
    points = np.frombuffer(guest.get("/api/map").content, dtype="<f4").reshape(-1, 5)
    assert sorted(points[:, 0].astype(int).tolist()) == list(range(len(review.catalogue)))
    assert points[:, 3].max() == 1
    best = points[points[:, 3].argmax(), 0]
    assert int(best) == review.ranking.order[0]


def depth(n):
    return b"[" * n + b"]" * n


@pytest.mark.parametrize(
    "body",
    [
        depth(10), depth(900), depth(100_000), b'{"a":' * 1200 + b"1" + b"}" * 1200, b'{"marks": NaN}', b'{"target": "recall", "value": 1e999}',
        b'{"target": "budget", "value": NaN}', b'{"target": "budget", "value": -Infinity}', b'{"target": "budget", "value": 1' + b"0" * 400 + b"}",
        b'{"target": "recall", "value": 1' + b"0" * 5000 + b"}", b'{"target": "budget", "value": 2147483648}', b'{"target": "recall", "value": "1"}',
        b'{"target": "recall", "value": true}', b'{"target": ["recall"], "value": 1}', b'{"target": "\\ud800", "value": 1}', b"\xff\xfe", b"", b"[]", b"null",
        b'{"marks": {}}', b'{"marks": [[]]}', b'{"marks": ["\\udc80"]}', b'{"marks": ' + depth(6) + b"}", b'{"\\ud800": 1}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/threshold", "/api/marks"])
def test_every_body_that_makes_no_sense_is_refused_in_one_line(path, body, guest, review):
    answer = guest.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert 0 < len(answer.json()["error"]) < 300
    assert "\n" not in answer.json()["error"]
    assert list(review.ledger.everything()) == []


@pytest.mark.parametrize("name", ["key", "model", "who", "id", "label", "made", "rank", "undoes", "sample"])
@pytest.mark.parametrize("value", ["\ud800", "a\udcff", float("inf"), 10**400, [], {}, "\0"])
def test_every_field_of_a_mark_is_checked(name, value, guest, review):
    body = json.dumps({"marks": [{**as_json(mark(review, 1)), name: value}]}).encode()
    answer = guest.post("/api/marks", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert list(review.ledger.everything()) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404), ("GET", "/static/absent.js", 404), ("GET", "/static/%00", 404), ("POST", "/api/items", 405),
        ("GET", "/api/items?start=x", 422), ("GET", "/api/items?count=1e3", 422), ("GET", "/api/items?start=" + "9" * 5000, 422),
        ("GET", "/api/items?start=-1", 400), ("GET", "/api/rows", 422), ("GET", "/picture/0?side=nan", 422),
        ("GET", "/api/sample/%ed%a0%80", 400), ("GET", "/api/export/..%2f..%2fetc", 404),
    ],
)  # fmt: skip
def test_the_web_frameworks_refusals_have_our_form(method, path, status, guest):
    answer = guest.request(method, path)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert len(answer.json()["error"]) < 300


def test_a_bug_has_our_form_too(review, tmp_path, monkeypatch):
    client = TestClient(guarded(review, tmp_path / "cache"), base_url=OWN, raise_server_exceptions=False)
    client.get(f"/?token={TOKEN}")
    monkeypatch.setattr(answers, "state", lambda _: 1 / 0)
    answer = client.get("/api/state")
    assert (answer.status_code, answer.json()) == (500, {"error": "ZeroDivisionError (a bug; see the terminal)"})
