"""Closed by default: each attack on the review page, and that it fails."""

import io
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from blemish.review.catalogue import open_catalogue
from blemish.review.guard import MAX_BYTES, POLICY
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from served import TOKEN, guarded

OWN = "http://127.0.0.1:8765"
ROUTES = ["/", "/api/state", "/api/items", "/api/map", "/static/review.js", "/picture/" + "0" * 32, "/api/export/csv",
          "/api/view/" + "0" * 32, "/tile/" + "0" * 32 + "/0/0/0", "/api/places/" + "0" * 32, "/overlay/" + "0" * 32]  # fmt: skip
POSTS = ["/api/marks", "/api/refit", "/api/threshold"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures, and beside them what must never be served."""
    folder = tmp_path_factory.mktemp("data")
    for i in range(3):
        Image.fromarray(np.full((20, 30), 60 * i, dtype=np.uint8)).save(folder / f"{i}.png")
    (folder / "page.html").write_text("<script>alert(1)</script>")
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    trailing = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(trailing, "PNG")
    (folder / "both.png").write_bytes(trailing.getvalue() + b"<script>alert(1)</script>")
    (folder / "lie.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    return folder


@pytest.fixture(scope="module")
def review(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("labels") / "labels.db"
    found = Review(open_catalogue(folder), Ledger(place), start=False)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def app(review, tmp_path_factory):
    return guarded(review, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def stranger(app):
    return TestClient(app, base_url=OWN, follow_redirects=False)


@pytest.fixture
def guest(stranger):
    """Someone with the link."""
    answer = stranger.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
    assert stranger.get("/").status_code == 200
    return stranger


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_without_the_token(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert TOKEN not in answer.text + str(answer.headers)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é"])
def test_a_wrong_token_is_no_token(stranger, token):
    assert stranger.get(f"/?token={quote(token)}").status_code == 401
    assert stranger.get("/api/state", headers={"cookie": f"blemish_8765={quote(token)}"}).status_code == 401
    assert stranger.get("/api/state", headers={"cookie": f"blemish_9999={TOKEN}"}).status_code == 401


@pytest.mark.parametrize("path", POSTS)
def test_no_change_without_the_token(stranger, path):
    assert stranger.post(path, json={}, headers={"origin": OWN}).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example:8765", "evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8765", "10.0.0.7:8765",
     "127.0.0.1:8765@evil.example", "evil.example#@127.0.0.1:8765", "", "[::1", "127.0.0.1:8765/x"],
)  # fmt: skip
def test_a_name_that_is_rebound_to_us_is_refused(guest, host):
    answer = guest.get("/api/state", headers={"host": host})
    assert answer.status_code == 421


def test_names_of_ours(guest):
    assert guest.get("/api/state", headers={"host": "localhost:8765"}).status_code == 200
    assert guest.get("/api/state", headers={"host": "[::1]:8765"}).status_code == 200


def test_bound_to_all_addresses_a_name_of_another_is_still_refused(review, tmp_path):
    app = guarded(review, tmp_path, host="0.0.0.0")
    client = TestClient(app, base_url="http://192.168.1.5:8765", follow_redirects=False)
    client.get(f"/?token={TOKEN}")
    assert client.get("/api/state").status_code == 200
    assert client.get("/api/state", headers={"host": "desk:8765"}).status_code == 200
    assert client.get("/api/state", headers={"host": "evil.example:8765"}).status_code == 421


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8765",
        "http://localhost:8765",
        "file://",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_origin_is_refused_by_every_method(guest, method, origin):
    assert guest.request(method, "/api/marks", headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("path", POSTS)
def test_a_change_needs_an_origin(guest, path):
    assert guest.post(path, json={}).status_code == 403


def test_another_page_may_not_show_our_pictures(guest, review):
    path = f"/picture/{review.catalogue.digest(0)}"
    assert guest.get(path, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    assert guest.get(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert guest.get(path, headers={"sec-fetch-site": "same-site"}).status_code == 403


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere", "/api/export/passwords"])
def test_every_answer_forbids_foreign_scripts_and_frames_and_lets_nobody_read_it(guest, path):
    answer = guest.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert "script-src 'self'" in POLICY
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


def test_there_are_no_web_sockets(guest):
    with pytest.raises(WebSocketDisconnect), guest.websocket_connect("/api/state"):
        pass


@pytest.mark.parametrize(
    "path",
    ["/picture/..%2f..%2f..%2fetc%2fpasswd", "/picture/%2fetc%2fpasswd", "/picture/0.png", "/static/..%2fservice.py",
     "/static/%2e%2e/service.py", "/picture/page.html", "/picture/" + "f" * 32, "/data/0.png", "/0.png", "/api/export/..%2fx"],
)  # fmt: skip
def test_no_path_from_a_request_reaches_the_files(guest, path):
    answer = guest.get(path)
    assert answer.status_code in (400, 404)
    assert b"root:" not in answer.content
    assert b"import" not in answer.content


def test_pages_and_drawings_are_no_samples_and_pictures_are_made_anew(guest, review):
    keys = list(review.catalogue.keys)
    assert keys == ["0.png", "1.png", "2.png", "both.png", "lie.png"]
    answer = guest.get(f"/picture/{review.catalogue.digest(3)}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")
    assert b"script" not in answer.content
    lie = guest.get(f"/picture/{review.catalogue.digest(4)}")
    assert lie.status_code == 400
    assert "cannot be decoded" in lie.json()["error"]


@pytest.mark.parametrize("side", ["0", "-1", "99999999", "193", "x"])
def test_only_two_sizes_of_pictures(guest, review, side):
    assert guest.get(f"/picture/{review.catalogue.digest(0)}?side={side}").status_code in (400, 422)


def test_large_bodies_are_refused_also_when_they_do_not_say_so(guest):
    headers = {"origin": OWN, "content-type": "application/json"}
    assert guest.post("/api/marks", content=b"x" * (MAX_BYTES + 1), headers=headers).status_code == 413
    assert guest.post("/api/marks", content=b"x", headers={**headers, "content-length": "-5"}).status_code == 413


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"{", "application/json", "not valid JSON"),
        (b"[]", "application/json", "not a JSON object"),
        (b"a=b", "application/x-www-form-urlencoded", "application/json"),
        (b'{"marks": 5}', "application/json", "a list"),
        (b'{"marks": [5]}', "application/json", "a mark is an object"),
        (b'{"marks": [{"id": "../../../x"}]}', "application/json", "mark with id"),
    ],
)
def test_nonsense_is_refused_in_words(guest, body, kind, message):
    answer = guest.post("/api/marks", content=body, headers={"origin": OWN, "content-type": kind})
    assert answer.status_code == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    "query", ["/api/items?start=-1", "/api/items?count=501", "/api/items?show=x", "/api/items?by=x", "/api/rows?rows=",
              "/api/rows?rows=1,x", "/api/rows?rows=99", "/api/rows?rows=-1", "/api/export/x"],
)  # fmt: skip
def test_questions_that_make_no_sense(guest, query):
    answer = guest.get(query)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_threshold_needs_a_target_and_a_model(guest):
    for body in (
        {},
        {"target": "x", "value": 1},
        {"target": "recall", "value": "1"},
        {"target": "recall", "value": True},
    ):
        assert guest.post("/api/threshold", json=body, headers={"origin": OWN}).status_code == 400
    answer = guest.post("/api/threshold", json={"target": "budget", "value": 5}, headers={"origin": OWN})
    assert "no model yet" in answer.json()["error"]
    assert "no model yet" in guest.get("/api/export/model").json()["error"]
    assert "no scores yet" in guest.get("/api/export/csv").json()["error"]
