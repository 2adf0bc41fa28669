"""How smooth the review page is, and its pictures for the README. Needs chromium (sh scripts/browser.sh).

python benchmarks/review_page.py scroll                 # frames a second over 10,000 pictures, and on the map
python benchmarks/review_page.py screenshots docs/review
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import csv

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from blemish import DefectDetector
from blemish.app.catalogue import open_catalogue
from blemish.app.ledger import Ledger
from blemish.app.marks import Mark
from blemish.app.ranking import Ranking, best_first, places
from blemish.app.review import Review
from blemish.datasets import tiles
from browser import PHONE, launched, visit  # pyright: ignore[reportMissingImports]
from served import served, wait_ready  # pyright: ignore[reportMissingImports]

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
    """A folder of n tiles, none like another, a tenth with a defect or another oddity; and the truth by name."""
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
    """Frames a second and how long the slowest twentieth took."""
    gaps = np.diff(times)
    print(
        f"{name}: {1000 / gaps.mean():.0f} frames a second, p95 {np.quantile(gaps, 0.95):.0f} ms, {len(times)} frames"
    )


def scroll(n: int) -> None:
    """The gallery under scroll stress (400 pixels a frame, and 40), and a lasso over 20,000 points."""
    with tempfile.TemporaryDirectory() as home, launched() as browser:
        folder, _ = pictures(Path(home, "tiles"), n, 64)
        review = Review(open_catalogue(folder), Ledger(Path(home, "labels.db")), start=False)
        with served(review, Path(home, "cache")) as link, visit(browser, link) as seen:
            seen.page.locator(".cell[aria-label*='tile']").first.wait_for()
            seen.page.wait_for_timeout(1500)
            for step in (400, 40):
                for turn in ("cold", "warm"):
                    told(f"{n} pictures, {step} pixels a frame, {turn}", seen.page.evaluate(SCROLL, step))
            start = time.perf_counter()
            seen.page.keyboard.press("End")
            seen.page.locator(f"#cell-{n - 1}[aria-label*='tile']").wait_for()
            print(f"End: the last picture after {time.perf_counter() - start:.2f} s")
        rows = 20_000
        csv.write_csv(pa.table({"x": np.arange(float(rows))}), Path(home, "rows.csv"))
        review = Review(open_catalogue(Path(home, "rows.csv")), Ledger(Path(home, "labels2.db")), start=False)
        rng = np.random.default_rng(0)
        score = rng.random(rows)
        order = best_first(score)
        plane = rng.normal(size=(rows, 2))
        ranking = Ranking(1, "m", score, None, rng.dirichlet([1, 1, 1], rows), plane, order, places(order), [], rows)
        review.ranking = ranking
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


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scroll", "screenshots"])
    parser.add_argument("out", nargs="?", default="docs/review", type=Path)
    parser.add_argument("--pictures", default=10_000, type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scroll(arguments.pictures) if arguments.what == "scroll" else screenshots(arguments.out)


if __name__ == "__main__":
    main()
