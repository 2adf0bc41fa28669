"""Requests to the page, in one process: none may end in a status of 500 or more, and each refusal has our form."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import mutations

if TYPE_CHECKING:
    from fuzz import Tally

KINDS = ("model", "csv", "parquet", "labels", "x")
TARGETS = ("recall", "precision", "false_positive_rate", "budget", "contamination")


class Page:
    """The page on the table of the whole inputs, in memory.

    Args:
        seeds: Folder of the whole inputs.
        folder: For labels and pictures.
    """

    def __init__(self, seeds: Path, folder: Path) -> None:
        from starlette.testclient import TestClient

        from blemish import load
        from blemish.review.catalogue import open_catalogue
        from blemish.review.ledger import Ledger
        from blemish.review.session import Review
        from served import OWN, TOKEN, guarded, wait_ready

        self.review = Review(open_catalogue(seeds / "t.csv", key="id", drop=["kind"]), Ledger(folder / "l.db"),
                             load(seeds / "table.blemish"))  # fmt: skip
        wait_ready(self.review)
        self.client = TestClient(guarded(self.review, folder / "cache"), base_url=OWN, raise_server_exceptions=False)
        self.client.get(f"/?token={TOKEN}")
        self.client.headers["origin"] = OWN
        self.digests = [self.review.catalogue.digest(row) for row in range(len(self.review.catalogue))]

    def ask(self, rng: Random) -> tuple[str, bool]:
        """Send one request made by chance; how it ended, and whether that is a finding."""
        method, path, content = self._request(rng)
        kind = rng.choice(("application/json",) * 9 + ("text/plain",))
        headers = {"content-type": kind} if content is not None else {}
        try:
            answer = self.client.request(method, path, content=content, headers=headers)
        except Exception as error:
            # what the client refuses to send
            return ("not sent", False) if _of_client(error) else (f"{type(error).__name__}: {error}"[:150], True)
        if answer.status_code >= 500:
            return f"{answer.status_code} {method} {path.partition('?')[0][:40]}: {answer.text[:80]}", True
        if answer.status_code >= 400 and method != "HEAD" and set(_body(answer)) != {"error"}:
            return f"{answer.status_code} of another form: {method} {path[:40]} {answer.text[:60]}", True
        return str(answer.status_code), False

    def _request(self, rng: Random) -> tuple[str, str, bytes | None]:
        word = rng.choice((*map(str, mutations.WORDS[:25]), "1e9", "٣", "%00", "%ff", "a/b", "9" * 5000)).replace(
            "\ud800", "%ed%a0%80"
        )
        if rng.random() < 0.6:
            return self._post(rng)
        digest = rng.choice([*self.digests, word, "0" * 32])
        path = rng.choice((
            f"/api/items?start={rng.choice([0, 5, word])}&count={rng.choice([3, word])}&show={rng.choice(['all', 'suggested', word])}"
            f"&by={rng.choice(['score', 'outlier', word])}",
            f"/api/rows?rows={rng.choice(['1,2', word, f'{word},1', '0,' * 600])}", "/api/state", "/api/map",
            f"/api/sample/{digest}", f"/picture/{digest}?side={rng.choice([192, 512, word])}", f"/heat/{digest}",
            f"/reconstruction/{digest}", f"/api/export/{rng.choice((*KINDS, word))}", f"/static/{word}", f"/{word}", "/",
        ))  # fmt: skip
        return rng.choice(("GET",) * 8 + ("HEAD", "PUT", "DELETE", "OPTIONS")), path, None

    def _post(self, rng: Random) -> tuple[str, str, bytes]:
        mark = {"id": f"mark-{rng.randrange(10**9):012d}", "sample": rng.choice(self.digests), "key": "r1", "label": "normal",
                "who": "ann", "made": "2026-11-24T12:00:00Z", "model": "m", "rank": 1}  # fmt: skip
        path, body = rng.choice((
            ("/api/marks", {"marks": [mark]}), ("/api/marks", {"marks": [mark, {**mark, "made": _time(rng)}]}),
            ("/api/marks", {"marks": [mark, {**mark, "undoes": mark["id"], "label": None}]}),
            ("/api/threshold", {"target": rng.choice(TARGETS), "value": rng.choice((0.5, 3, 0, 1, 1e-9, 2**30))}),
        ))  # fmt: skip
        if rng.random() < 0.03:
            return "POST", path, mutations.nested(rng).encode()
        made = mutations.edited(body, rng) if rng.random() < 0.9 else body
        text = mutations.as_json(made).encode()
        return "POST", path, mutations.damaged(text, rng) if rng.random() < 0.3 else text


def _time(rng: Random) -> str:
    return rng.choice(("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-24T12:00:00.123456789Z", "2026-W01-1T00Z",
                       "20261124T120000Z", "2026-11-24T12:00:00+00:00:00.5"))  # fmt: skip


def _of_client(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore") or isinstance(error, UnicodeError)


def _body(answer: Any) -> dict[str, Any]:
    try:
        found = json.loads(answer.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def run(n: int, seed: int, seeds: Path, tally: "Tally", save: "Callable[[Tally], None]") -> None:
    """Requests up to number `n`, from where the tally ends; the page keeps what the earlier ones of this run did."""
    with tempfile.TemporaryDirectory() as folder:
        page = Page(seeds, Path(folder))
        for number in range(tally.next, n):
            found, bad = page.ask(Random(f"page {seed} {number}"))
            tally.counts[found] += 1
            if bad:
                tally.findings.setdefault(found, []).append(number)
            tally.next = number + 1
            if number % 500 == 499:
                save(tally)
        page.review.stop()
