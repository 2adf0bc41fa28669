"""The page's HTTP interface. Samples are identified by the hash of their content, never by a path."""

import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException

from blemish.core.errors import BlemishError, LabelError
from blemish.core.version import __version__
from blemish.review import answers, drawings
from blemish.review.exports import write_export
from blemish.review.ledger import Unsaved
from blemish.review.marks import MAX_IN_BATCH, to_mark
from blemish.review.session import Review
from blemish.review.viewer import tiles
from blemish.review.viewer.maps import Maps, ScoreMap

HERE = Path(__file__).parent
SIDES = (192, answers.LARGE_SIDE)
"""Allowed sizes of pictures in pixels: few, so that the cache stays small."""
MAX_ITEMS = 500
LISTEN = 0.2
"""Seconds between two looks at whether the page still waits for a map."""
MAX_DEPTH = 8
"""Brackets within brackets in a request; ours have three."""
FILTERS = ("all", "unmarked", "suggested")  # and each label
TARGETS = ("recall", "precision", "false_positive_rate", "budget", "contamination")
MEDIA = {
    ".blemish": "application/octet-stream",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".html": "application/octet-stream",  # a download, never shown as a page of ours
}
FRESH = {"cache-control": "no-store"}
FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}

router = APIRouter()
templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)


def make_service(review: Review, thumbnails: drawings.Thumbnails, user: str) -> FastAPI:
    """The application, without its guard; marks that name no author are by `user`."""
    app = FastAPI(title="Blemish review", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.review, app.state.thumbnails, app.state.user = review, thumbnails, user
    app.state.pyramids, app.state.maps = tiles.Pyramids(), Maps()
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    for kind in (BlemishError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _in_words)
    app.include_router(router)
    return app


def _in_words(request: Request, error: Exception) -> Response:
    """Every refusal has one form, that of the web framework too."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return _answer({"error": f"{first['loc'][-1]}: {first['msg']}, got {str(first.get('input'))[:80]!r}"}, 422)
    if isinstance(error, HTTPException):
        words = f"{error.detail}: {request.method} {request.url.path[:80]}; reload the page"
        return _answer({"error": words}, error.status_code)
    if isinstance(error, Unsaved):
        return _answer({"error": str(error)}, 507 if error.full else 503)
    if isinstance(error, BlemishError):
        return _answer({"error": str(error)}, 400)
    return _answer({"error": f"{type(error).__name__} (a bug; see the terminal)"}, 500)


def _answer(values: dict[str, Any], status: int = 200) -> Response:
    """JSON in ASCII, so that no name or text of a user can make it impossible to write."""
    return Response(json.dumps(values, allow_nan=False), status, media_type="application/json", headers=FRESH)


@router.get("/")
def page(request: Request) -> Response:
    """The page."""
    name = Path(_review(request).catalogue.name).name
    html = templates.get_template("review.html.j2").render(version=__version__, data=name)
    return Response(html, media_type="text/html", headers=FRESH)


@router.get("/api/state")
def state(request: Request) -> Response:
    """Everything except the samples: progress, counts, suggestions, the learning curve."""
    review = _review(request)
    review.sync()
    return _answer({**answers.state(review), "user": request.app.state.user})


@router.get("/api/items")
def items(request: Request, start: int = 0, count: int = 100, show: str = "all", by: str = "score") -> Response:
    """A page of the ranking."""
    shows = (*FILTERS, *_review(request).counts())
    if start < 0 or not 0 < count <= MAX_ITEMS or show not in shows or by not in ("score", "outlier"):
        raise LabelError(
            f"expected start >= 0, count from 1 to {MAX_ITEMS}, show = {', '.join(shows)}, by = score or outlier"
        )
    review = _review(request)
    rows, ranking = answers.shown(review, show, by), review.ranking
    found = [answers.item(review, int(row)) for row in rows[start : start + count]]
    number = 0 if ranking is None else ranking.number
    return _answer({"total": len(rows), "start": start, "ranking": number, "items": found})


@router.get("/api/rows")
def some_rows(request: Request, rows: str) -> Response:
    """Samples by row number, as the map has them."""
    review, wanted = _review(request), rows.split(",")
    if len(wanted) > MAX_ITEMS or not all(w.isascii() and w.isdigit() and len(w) < 12 for w in wanted):
        raise LabelError(f"expected rows: at most {MAX_ITEMS} numbers separated by commas")
    numbers = [int(w) for w in wanted]
    if max(numbers) >= len(review.catalogue):
        raise LabelError(f"row {max(numbers)} does not exist: there are {len(review.catalogue)} rows")
    return _answer({"items": [answers.item(review, row) for row in numbers]})


@router.get("/api/map")
def points(request: Request) -> Response:
    """The map, see `answers.points`."""
    return Response(answers.points(_review(request)), media_type="application/octet-stream", headers=FRESH)


@router.get("/api/sample/{digest}")
def sample(request: Request, digest: str) -> Response:
    """Everything about one sample: explanation, history."""
    review = _review(request)
    return _answer(answers.detail(review, _row(review, digest)))


@router.get("/picture/{digest}")
def picture(request: Request, digest: str, side: int = SIDES[0]) -> Response:
    """A picture, or the frames of a clip side by side."""
    review = _review(request)
    row = _row(review, digest)
    side = answers.side_of(review.catalogue.on_page, side)
    if side not in (*SIDES, answers.STRIP_SIDE):
        raise LabelError(f"expected side: one of {', '.join(map(str, SIDES))}")
    made = request.app.state.thumbnails.get(digest, side, lambda: review.catalogue.picture(row, side, digest))
    return Response(made, media_type="image/jpeg", headers=FOR_EVER)


@router.get("/reconstruction/{digest}")
def reconstruction(request: Request, digest: str) -> Response:
    """The reconstruction of a picture or clip."""
    review = _review(request)
    return _picture_or_nothing(review.ask(answers.reconstructed, _row(review, digest)), "image/jpeg")


@router.get("/heat/{digest}")
def heat(request: Request, digest: str) -> Response:
    """The reconstruction error of a picture."""
    review = _review(request)
    return _picture_or_nothing(review.ask(answers.heat, _row(review, digest)), "image/png")


@router.get("/api/view/{digest}")
def view(request: Request, digest: str) -> Response:
    """A picture that is opened: its size, its tiles, and what people drew on it."""
    width, height = (pyramid := _pyramid(request, digest)).size
    drawn = [mark for marks in _review(request).opinions.strokes(digest).values() for mark in marks]
    strokes = [{"id": one.id, "who": one.who, **asdict(one.stroke)} for one in drawn if one.stroke]
    size = {"width": width, "height": height, "tile": tiles.SIDE, "levels": len(pyramid.levels)}
    return _answer({**size, "strokes": strokes})


@router.get("/tile/{digest}/{level}/{column}/{row}")
def tile(request: Request, digest: str, level: int, column: int, row: int) -> Response:
    """A tile of a picture; level 0 has its own pixels, each further level half as many per side."""
    made, media = _pyramid(request, digest).tile(level, column, row)
    return Response(made, media_type=media, headers=FOR_EVER)


@router.get("/api/places/{digest}")
async def places(request: Request, digest: str) -> Response:
    """Where the model sees the defect: its regions, and whether there is a map to lay over the picture."""
    found = await _score_map(request, digest)
    return _answer({"map": found.overlay is not None, "kind": found.kind, "regions": found.regions, "note": found.note})


@router.get("/overlay/{digest}")
async def overlay(request: Request, digest: str) -> Response:
    """The map of the score, to lay over the picture."""
    found = await _score_map(request, digest)
    if found.overlay is None:
        return _answer({"error": found.note}, 404)
    return Response(found.overlay, media_type="image/png", headers=FRESH)


@router.post("/api/marks")
async def marks(request: Request) -> Response:
    """Store a batch of marks; answers when they are durable."""
    given = (await _json(request)).get("marks")
    if not isinstance(given, list) or len(given) > MAX_IN_BATCH:
        raise LabelError(f"expected a list of at most {MAX_IN_BATCH} marks")
    user = request.app.state.user
    taken = [to_mark({"who": user, **one} if isinstance(one, dict) else one, _review(request).kinds) for one in given]
    if any(mark.stroke for mark in taken) and _review(request).catalogue.on_page.shown_as != "picture":
        raise LabelError("strokes are for pictures; these samples are not")
    new = await run_in_threadpool(_review(request).write, taken)
    return _answer({"saved": [mark.id for mark in taken], "new": new})


@router.post("/api/refit")
async def refit(request: Request) -> Response:
    """Refit with the marks, in the background."""
    await _json(request)
    return _answer({"started": _review(request).refit()})


@router.post("/api/threshold")
async def threshold(request: Request) -> Response:
    """Move the threshold, without a refit."""
    given = await _json(request)
    target, value = str(given.get("target")), given.get("value")
    if target not in TARGETS or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**31:
        raise LabelError(
            f"expected a threshold with a target ({', '.join(TARGETS)}) and a value from 0, got {str(given)[:80]}"
        )
    promise = await run_in_threadpool(_review(request).set_threshold, target, float(value))
    return _answer({"promise": promise})


@router.get("/api/export/{kind}")
def export(request: Request, kind: str) -> Response:
    """A download."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_export(_review(request), kind, Path(folder))
        made = path.read_bytes()
    disposition = {"content-disposition": f'attachment; filename="{path.name}"', **FRESH}
    return Response(made, media_type=MEDIA[path.suffix], headers=disposition)


def _review(request: Request) -> Review:
    return request.app.state.review


def _row(review: Review, digest: str) -> int:
    row = review.catalogue.row(digest)
    if row is None or review.catalogue.digest(row) != digest:
        raise LabelError("unknown sample, or its file has changed: reload the page")
    return row


def _pyramid(request: Request, digest: str) -> tiles.Pyramid:
    catalogue = _review(request).catalogue
    row = _row(_review(request), digest)
    return request.app.state.pyramids.get(digest, lambda: catalogue.original(row, digest))


async def _score_map(request: Request, digest: str) -> ScoreMap:
    """The map of one picture, or why there is none yet; given up where the page has moved on."""
    review, maps = _review(request), request.app.state.maps
    row, det = await run_in_threadpool(_row, review, digest), review.det
    if review.catalogue.on_page.shown_as != "picture":
        raise LabelError("maps are for pictures; these samples are not")
    if det is None or review.ranking is None or review.ranking.glance:
        return ScoreMap(None, [], "other", "The map comes with the full model, which is still training.")
    made = maps.ask(digest, det, lambda: review.catalogue.take([row])[0])
    try:
        waiting = asyncio.wrap_future(made)
        while not (await asyncio.wait([waiting], timeout=LISTEN))[0]:
            if await request.is_disconnected():
                return ScoreMap(None, [], "other", "no one waits for this map any more")
        return waiting.result()
    finally:
        maps.leave(digest, made)


async def _json(request: Request) -> dict[str, Any]:
    """A JSON body, declared as JSON: other sites cannot send one without a preflight request."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise LabelError("the request must have the content type application/json")
    try:
        given = json.loads(await request.body())
        # Python reads NaN, 1e999 and halves of characters, which can then be neither stored nor answered.
        json.dumps(given, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise LabelError("the request is not valid JSON") from None
    if not isinstance(given, dict) or _is_deeper(given, MAX_DEPTH):
        raise LabelError(f"the request is not a JSON object of at most {MAX_DEPTH} levels")
    return given


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _picture_or_nothing(made: bytes | None, kind: str) -> Response:
    if made is None:
        return _answer({"error": "there is no model yet"}, 404)
    return Response(made, media_type=kind, headers=FRESH)
