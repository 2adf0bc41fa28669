"""How smooth and how fast the review page is, and its pictures for the README.

python benchmarks/review_page.py first                  # until 1,000 pictures are ranked; --data FOLDER --glob '*.jpg'
python benchmarks/review_page.py large                  # memory and seconds on a table of 1M rows; --of lines, clips
python benchmarks/review_page.py scroll                 # frames per second over 10,000 pictures, and on the map
python benchmarks/review_page.py screenshots docs/review

The last two need chromium (sh scripts/browser.sh). `first` takes 1,000 pictures of a folder, or makes them.
"""

import argparse
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor, build_opener

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import csv, parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from blemish import DefectDetector
from blemish.data.images import IMAGES
from blemish.datasets import tiles
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
from blemish.review.ranking import Ranking
from blemish.review.session import Review
from blemish.review.suggestions import Snapshot
from browser import PHONE, launched, visit  # pyright: ignore[reportMissingImports]
from served import Program, served, wait_ready  # pyright: ignore[reportMissingImports]

SCROLL = """step => new Promise(done => {
    const box = document.getElementById('gallery'), times = [];
    const begin = performance.now();
    function frame(now) {
        times.push(now);
        box.scrollTop += step;
        if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) box.scrollTop = 0;
        if (now - begin < 3000) requestAnimationFrame(frame); else done(times);
    }
    requestAnimationFrame(frame);
})"""
COUNT = """() => {
    window.frames_ = [];
    const note = now => { window.frames_.push(now); window.counting = requestAnimationFrame(note); };
    window.counting = requestAnimationFrame(note);
}"""
STOP = "() => { cancelAnimationFrame(window.counting); return window.frames_; }"


def pictures(folder: Path, n: int, side: int) -> tuple[Path, dict[str, str]]:
    """A folder of n tiles, none like another, a tenth with a defect or another anomaly; and the truth by name."""
    split = tiles(n_normal=min(n, 400), n_test=20, side=side)
    usual = split.X_train[[label is None for label in split.y_train]]
    odd, groups = split.X_test[split.group_test != "normal"], split.group_test[split.group_test != "normal"]
    rng, truth = np.random.default_rng(0), {}
    folder.mkdir()
    for i in range(n):
        at = int(rng.integers(len(odd)))
        is_odd = rng.random() < 0.1
        picture = np.asarray(odd[at] if is_odd else usual[i % len(usual)], dtype=np.float64).reshape(side, side)
        noisy = picture + rng.normal(0, 2, picture.shape)
        name = f"tile_{i:05d}.png"
        truth[name] = str(groups[at]) if is_odd else "normal"
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name, compress_level=1)
    return folder, truth


def told(name: str, times: list[float]) -> None:
    """Frames per second and how long the slowest twentieth took."""
    gaps = np.diff(times)
    print(
        f"{name}: {1000 / gaps.mean():.0f} frames per second, p95 {np.quantile(gaps, 0.95):.0f} ms, {len(times)} frames"
    )


def work_of(page: Any) -> Callable[[], float]:
    """Tells seconds of processor that a page's main thread has taken: unlike frames, no matter what else runs."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def told_now() -> float:
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    return told_now


def scroll(n: int) -> None:
    """The gallery under scroll stress (400 pixels per frame, and 40), and a lasso over 20,000 points."""
    with tempfile.TemporaryDirectory() as home, launched() as browser:
        folder, _ = pictures(Path(home, "tiles"), n, 64)
        review = Review(open_catalogue(folder), Ledger(Path(home, "labels.db")), start=False)
        with served(review, Path(home, "cache")) as link, visit(browser, link) as seen:
            seen.page.locator(".cell[aria-label*='tile']").first.wait_for()
            seen.page.wait_for_timeout(1500)
            work = work_of(seen.page)
            for step in (400, 40):
                for turn in ("cold", "warm"):
                    before = work()
                    times = seen.page.evaluate(SCROLL, step)
                    told(f"{n} pictures, {step} pixels per frame, {turn}", times)
                    print(f"  the page's own work: {1000 * (work() - before) / len(times):.1f} ms per frame")
            start = time.perf_counter()
            seen.page.keyboard.press("End")
            seen.page.locator(f"#cell-{n - 1}[aria-label*='tile']").wait_for()
            print(f"End: the last picture after {time.perf_counter() - start:.2f} s")
        rows = 20_000
        csv.write_csv(pa.table({"x": np.arange(float(rows))}), Path(home, "rows.csv"))
        review = Review(open_catalogue(Path(home, "rows.csv")), Ledger(Path(home, "labels2.db")), start=False)
        rng = np.random.default_rng(0)
        score = rng.random(rows)
        plane = rng.normal(size=(rows, 2))
        review.ranking = Ranking(1, "m", Snapshot(score, None, rng.dirichlet([1, 1, 1], rows), plane), plane)
        review.det = DefectDetector(epochs=1, random_state=0).fit(rng.normal(size=(100, 2)))
        with served(review, Path(home, "cache")) as link, visit(browser, link) as seen:
            seen.page.keyboard.press("m")
            seen.page.locator("#legend", has_text="20000").wait_for()
            box = seen.page.locator("#map").bounding_box()
            assert box
            for name, press in (("hover", False), ("lasso", True)):
                around = np.linspace(0, 2 * np.pi, 240)
                x = box["x"] + box["width"] * (0.5 + 0.45 * np.cos(around))
                y = box["y"] + box["height"] * (0.5 + 0.45 * np.sin(around))
                seen.page.mouse.move(x[0], y[0])
                if press:
                    seen.page.mouse.down()
                seen.page.evaluate(COUNT)
                for one, two in zip(x.tolist(), y.tolist(), strict=True):
                    seen.page.mouse.move(one, two)
                told(f"map of {rows} points, {name}", seen.page.evaluate(STOP))
            start = time.perf_counter()
            seen.page.mouse.up()
            seen.page.locator("#selected", has_text="selected").wait_for()
            print(f"{seen.page.locator('#selected').text_content()} after {time.perf_counter() - start:.2f} s")


@contextmanager
def reviewed(home: Path) -> Iterator[tuple[str, Any]]:
    """300 tiles with 32 marks and two refits, served."""
    folder, truth = pictures(home / "tiles", 300, 64)
    review = Review(open_catalogue(folder), Ledger(home / "labels.db"))
    wait_ready(review, 600)
    assert review.ranking is not None
    for round_ in range(2):
        free = [row for row in review.ranking.order.tolist() if not review.codes[row]][:16]
        for row in free:
            now = f"2026-11-24T12:{round_:02d}:{row % 60:02d}Z"
            digest, name = review.catalogue.digest(row), review.catalogue.title(row)
            review.write(
                [Mark(f"mark-{row:06d}", digest, name, truth[name], None, "ann", now, review.ranking.model, 1)]
            )
        review.refit()
        wait_ready(review, 600)
    with served(review, home / "cache") as link:
        yield link, review


def small(shot: bytes, path: Path) -> None:
    """Write a screenshot with 128 colours: a third of the size."""
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def screenshots(out: Path) -> None:
    """The main views: gallery, map, learning, and the gallery on a phone in the dark."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, launched() as browser, reviewed(Path(home)) as (link, _):
        with visit(browser, link) as seen:
            page = seen.page
            page.locator("#reasons table").wait_for(timeout=60_000)
            for _ in range(2):
                page.keyboard.press("ArrowRight")
            page.locator("#pictures img").nth(2).wait_for()
            page.wait_for_timeout(2000)
            small(page.screenshot(), out / "gallery.png")
            for key, name in (("m", "map"), ("l", "learning")):
                page.keyboard.press(key)
                page.wait_for_timeout(1000)
                small(page.screenshot(), out / f"{name}.png")
        with visit(browser, link, PHONE, dark=True) as seen:
            seen.page.locator("#pictures img").nth(2).wait_for(timeout=60_000)
            seen.page.wait_for_timeout(1000)
            small(seen.page.screenshot(), out / "phone.png")
    print(f"wrote gallery, map, learning and phone to {out}")


def first(data: Path | None, glob: str, n: int) -> None:
    """Seconds from the start of `blemish review` on n pictures to its link, the first ranking, and the last."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "pictures")
        if data is None:
            pictures(folder, n, 64)
        else:
            found = sorted(path for path in data.rglob(glob) if path.suffix.lower() in IMAGES)
            folder.mkdir()
            for at, path in enumerate(np.random.default_rng(0).permutation(np.array(found, dtype=object))[:n]):
                shutil.copy(path, folder / f"{at:04d}-{path.parent.name}-{path.name}")
        watched(Path(home), folder, f"{len(list(folder.iterdir()))} pictures of {data or 'ours'}")


def large(kind: str, n: int) -> None:
    """Memory and seconds of `blemish review` on this many rows of a Parquet file, lines of text, or clips of frames."""
    with tempfile.TemporaryDirectory() as home:
        data, n_bytes = LARGE[kind](Path(home), n)
        watched(Path(home), data, f"{n} {kind}, {n_bytes / 1e6:.0f} MB in memory")


def _rows(home: Path, n: int) -> tuple[Path, int]:
    rng, schema = np.random.default_rng(0), pa.schema([(f"x{at}", pa.float64()) for at in range(30)])
    with parquet.ParquetWriter(home / "rows.parquet", schema) as file:
        for start in range(0, n, 100_000):
            some = min(100_000, n - start)
            file.write_table(pa.table({name: rng.normal(size=some) for name in schema.names}))
    return home / "rows.parquet", n * 240


def _lines(home: Path, n: int) -> tuple[Path, int]:
    rng, words = np.random.default_rng(0), np.array([f"word{at}" for at in range(5000)])
    path, weights = home / "lines.txt", 1 / np.arange(1, 5001)
    with path.open("w") as file:
        for start in range(0, n, 10_000):
            drawn = rng.choice(words, (min(10_000, n - start), 30), p=weights / weights.sum())
            file.writelines(" ".join(line) + "\n" for line in drawn)
    return path, path.stat().st_size


def _clips(home: Path, n: int, frames: int = 16, side: int = 64) -> tuple[Path, int]:
    rng, places = np.random.default_rng(0), np.arange(side)
    for at in range(n):
        folder = home / "clips" / f"{at:05d}"
        folder.mkdir(parents=True)
        ground = np.uint8(rng.integers(0, 60)) + rng.integers(0, 10, (side, side), dtype=np.uint8)
        speed, start = rng.uniform(0.5, 2.5), rng.uniform(0, side)
        for frame in range(frames):
            bar = 120 * np.exp(-(((places - start - speed * frame) % side - side / 2) ** 2) / 20)
            Image.fromarray(ground + bar.astype(np.uint8)).save(folder / f"{frame:02d}.png", compress_level=1)
    return home / "clips", n * frames * side**2


LARGE = {"rows": _rows, "lines": _lines, "clips": _clips}
SIZES = {"rows": 1_000_000, "lines": 1_000_000, "clips": 5_000}


def watched(home: Path, data: Path, what: str) -> None:
    """Print when a program says what it says, and what it took by then."""
    start = time.perf_counter()
    program = Program(home, data, "--port", 0)
    try:
        print(f"{what}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        client = asker(program.link)
        told_at("link", start, program.process.pid)
        wanted = iter(["first ranking", "all ranked"])
        word = next(wanted)
        while True:
            state = client()
            if state["status"]["error"]:
                raise SystemExit(f"error: {state['status']['error']}")
            ranking = state["ranking"]
            if word == "first ranking" and ranking is not None:
                told_at(f"{word} ({ranking['scored']} of {state['samples']})", start, program.process.pid)
                word = next(wanted)
            if word == "all ranked" and ranking is not None and not state["status"]["busy"]:
                told_at(f"{word} ({ranking['scored']} of {state['samples']})", start, program.process.pid)
                return
            time.sleep(0.2)
    finally:
        program.kill()


def told_at(what: str, start: float, pid: int) -> None:
    """Seconds since the start, and what a process has taken of the processor and of memory (Linux)."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    sizes = dict(re.findall(r"(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()))
    own, most = (int(sizes[name]) / 1000 for name in ("RssAnon", "VmHWM"))
    print(
        f"{what}: {time.perf_counter() - start:.1f} s, {spent:.1f} s of processor; {own:.0f} MB of its own now, "
        f"{most:.0f} MB at most with pages of files",
        flush=True,
    )


def asker(link: str) -> Callable[[], dict[str, Any]]:
    """Asks for the state, with the cookie that the link gives."""
    jar = HTTPCookieProcessor()
    opener = build_opener(jar)
    opener.open(link).read()
    address = urljoin(link, "/api/state")
    return lambda: json.load(opener.open(address))


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["first", "large", "scroll", "screenshots"])
    parser.add_argument("out", nargs="?", default="docs/review", type=Path, help="of screenshots")
    parser.add_argument("--data", type=Path, help="folder of pictures for `first`")
    parser.add_argument("--glob", default="*", help="which of its files")
    parser.add_argument("--of", choices=list(LARGE), default="rows", help="what is large")
    parser.add_argument("--samples", type=int, help="default: 1,000 pictures for `first`, 1M rows, 10,000 pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    work: dict[str, Callable[[], None]] = {
        "first": lambda: first(given.data, given.glob, given.samples or 1000),
        "large": lambda: large(given.of, given.samples or SIZES[given.of]),
        "scroll": lambda: scroll(given.samples or 10_000),
        "screenshots": lambda: screenshots(given.out),
    }
    work[given.what]()


if __name__ == "__main__":
    main()
