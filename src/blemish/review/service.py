"""The page's HTTP interface. Samples are identified by the hash of their content, never by a path."""

import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader

from blemish.core.errors import BlemishError, LabelError
from blemish.core.version import __version__
from blemish.review import answers, drawings
from blemish.review.exports import write_export
from blemish.review.ledger import Unsaved
from blemish.review.marks import CODES, MAX_IN_BATCH, to_mark
from blemish.review.session import Review

HERE = Path(__file__).parent
SIDES = (192, answers.LARGE_SIDE)
"""Allowed sizes of pictures in pixels: few, so that the cache stays small."""
MAX_ITEMS = 500
FILTERS = ("all", "unmarked", "suggested", *(str(word) for word in CODES if word))
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
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(BlemishError, _in_words)
    app.include_router(router)
    return app


def _in_words(_: Request, error: Exception) -> Response:
    status = 400 if not isinstance(error, Unsaved) else 507 if error.full else 503
    return JSONResponse({"error": str(error)}, status_code=status, headers=FRESH)


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
    return JSONResponse({**answers.state(review), "user": request.app.state.user}, headers=FRESH)


@router.get("/api/items")
def items(request: Request, start: int = 0, count: int = 100, show: str = "all", by: str = "score") -> Response:
    """A page of the ranking."""
    if start < 0 or not 0 < count <= MAX_ITEMS or show not in FILTERS or by not in ("score", "outlier"):
        raise LabelError(
            f"expected start >= 0, count from 1 to {MAX_ITEMS}, show = {', '.join(FILTERS)}, by = score or outlier"
        )
    review = _review(request)
    rows, ranking = answers.shown(review, show, by), review.ranking
    found = [answers.item(review, int(row)) for row in rows[start : start + count]]
    number = 0 if ranking is None else ranking.number
    return JSONResponse({"total": len(rows), "start": start, "ranking": number, "items": found}, headers=FRESH)


@router.get("/api/rows")
def some_rows(request: Request, rows: str) -> Response:
    """Samples by row number, as the map has them."""
    review, wanted = _review(request), rows.split(",")
    if len(wanted) > MAX_ITEMS or not all(w.isascii() and w.isdigit() and len(w) < 12 for w in wanted):
        raise LabelError(f"expected rows: at most {MAX_ITEMS} numbers separated by commas")
    numbers = [int(w) for w in wanted]
    if max(numbers) >= len(review.catalogue):
        raise LabelError(f"row {max(numbers)} does not exist: there are {len(review.catalogue)} rows")
    return JSONResponse({"items": [answers.item(review, row) for row in numbers]}, headers=FRESH)


@router.get("/api/map")
def points(request: Request) -> Response:
    """The map, see `answers.points`."""
    return Response(answers.points(_review(request)), media_type="application/octet-stream", headers=FRESH)


@router.get("/api/sample/{digest}")
def sample(request: Request, digest: str) -> Response:
    """Everything about one sample: explanation, history."""
    review = _review(request)
    return JSONResponse(answers.detail(review, _row(review, digest)), headers=FRESH)


@router.get("/picture/{digest}")
def picture(request: Request, digest: str, side: int = SIDES[0]) -> Response:
    """A picture, or the frames of a clip side by side."""
    review = _review(request)
    row = _row(review, digest)
    side = answers.side_of(review.catalogue.on_page, side)
    if side not in (*SIDES, answers.STRIP_SIDE):
        raise LabelError(f"expected side: one of {', '.join(map(str, SIDES))}")
    made = request.app.state.thumbnails.get(digest, side, lambda: review.catalogue.picture(row, side))
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


@router.post("/api/marks")
async def marks(request: Request) -> Response:
    """Store a batch of marks; answers when they are durable."""
    given = (await _json(request)).get("marks")
    if not isinstance(given, list) or len(given) > MAX_IN_BATCH:
        raise LabelError(f"expected a list of at most {MAX_IN_BATCH} marks")
    user = request.app.state.user
    taken = [to_mark({"who": user, **one} if isinstance(one, dict) else one) for one in given]
    new = await run_in_threadpool(_review(request).write, taken)
    return JSONResponse({"saved": [mark.id for mark in taken], "new": new}, headers=FRESH)


@router.post("/api/refit")
async def refit(request: Request) -> Response:
    """Refit with the marks, in the background."""
    await _json(request)
    return JSONResponse({"started": _review(request).refit()}, headers=FRESH)


@router.post("/api/threshold")
async def threshold(request: Request) -> Response:
    """Move the threshold, without a refit."""
    given = await _json(request)
    target, value = str(given.get("target")), given.get("value")
    if target not in TARGETS or isinstance(value, bool) or not isinstance(value, int | float):
        raise LabelError(
            f"expected a threshold with a target ({', '.join(TARGETS)}) and a value, got {str(given)[:80]}"
        )
    promise = await run_in_threadpool(_review(request).set_threshold, target, float(value))
    return JSONResponse({"promise": promise}, headers=FRESH)


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
    if row is None:
        raise LabelError("unknown sample: reload the page")
    return row


async def _json(request: Request) -> dict[str, Any]:
    """A JSON body, declared as JSON: other sites cannot send one without a preflight request."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise LabelError("the request must have the content type application/json")
    try:
        given = await request.json()
    except ValueError:
        raise LabelError("the request is not valid JSON") from None
    if not isinstance(given, dict):
        raise LabelError("the request is not a JSON object")
    return given


def _picture_or_nothing(made: bytes | None, kind: str) -> Response:
    if made is None:
        return JSONResponse({"error": "there is no model yet"}, status_code=404, headers=FRESH)
    return Response(made, media_type=kind, headers=FRESH)
