"""What a detector finds in pictures whose cracks are known: measures, a poster and a page, for the demo."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import average_precision_score

from blemish.core.metrics import evaluate
from blemish.data.regions.outlines import Region
from blemish.datasets import Split
from blemish.report.outlined import Outlines, drawn
from blemish.report.page import Section, Table, render

NEAR = 4
"""Pixels from a crack that belong to it where a map is measured: half of the map's step."""
PEAK_AREA = 1e-4
"""Fraction of the area of normal pictures: about one step of the map per picture. What is outlined scores higher."""
N_OTHERS = 4  # pictures without a crack on the page
STROKE, OUTLINE, HALO = (0, 210, 130), (255, 176, 0), (0, 0, 0)  # colours of the poster
POSTER_WIDTH, GAP = 1600, 8


@dataclass(frozen=True)
class Found:
    """What one detector says about the test pictures.

    Attributes:
        split: The data, with strokes and masks.
        score: Defect scores.
        above: Which pictures score above the threshold.
        heat: Maps.
        near: Which pixels belong to a crack.
        outlines: How regions are cut and drawn.
        regions: The regions of each picture.
    """

    split: Split
    score: Float[np.ndarray, " picture"]
    above: Bool[np.ndarray, " picture"]
    heat: Float[np.ndarray, "picture height width"]
    near: Bool[np.ndarray, "picture height width"]
    outlines: Outlines
    regions: list[list[Region]]

    @property
    def ranked(self) -> list[int]:
        """Pictures, the highest score first."""
        return [int(at) for at in np.argsort(-self.score, kind="stable")]

    @property
    def cracks(self) -> list[int]:
        """Those with a crack."""
        return [at for at in self.ranked if self.split.group_test[at] == "defect"]

    @property
    def others(self) -> list[int]:
        """Those without."""
        return [at for at in self.ranked if self.split.group_test[at] != "defect"]

    def measures(self) -> dict[str, Any]:
        """How good that is, as JSON values."""
        ranking = evaluate(self.score, self.split.group_test == "defect", self.split.kind_test)
        some = np.s_[:, ::2, ::2]  # a quarter of the pixels: sorting all of them takes ten seconds
        of_pixels = average_precision_score(self.near[some].ravel(), self.heat[some].ravel())
        return {
            "average_precision": round(ranking.average_precision, 4),
            "pixel_average_precision": round(float(of_pixels), 4),
            "pixels_that_belong_to_a_crack": NEAR,
            "pointing": round(float(np.mean([self.near[at].flat[self.heat[at].argmax()] for at in self.cracks])), 4),
            "cracks": len(self.cracks),
            "found": int(self.above[self.cracks].sum()),
            "outlined": sum(map(self._is_outlined, self.cracks)),
            "false": int(self.above[self.others].sum()),
            "false_outlines": sum(self._is_false(at, one) for at, some in enumerate(self.regions) for one in some),
            "false_alarm_area": self.outlines.area,
            "false_alarm_area_of_peaks": self.outlines.peak_area,
            "auroc_crack_above": {name: round(value, 4) for name, value in ranking.auroc_defect_above.items()},
        }

    def _is_outlined(self, picture: int) -> bool:
        """Whether at least half of the crack lies in outlines."""
        assert self.split.masks_test is not None
        outlined = np.zeros(self.heat[picture].shape, bool)
        for one in self.regions[picture]:
            outlined[one.y : one.y + one.height, one.x : one.x + one.width] |= one.mask
        return bool(outlined[self.split.masks_test[picture]].mean() >= 0.5)

    def _is_false(self, picture: int, region: Region) -> bool:
        """Whether a region touches no crack."""
        box = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
        return not self.near[picture][box][region.mask].any()

    def poster(self) -> bytes:
        """The stroke, and the outlines of cracks a quarter, half and three quarters down their ranking; JPEG."""
        labelled, stroke = _stroke(self.split)
        shown = [self.cracks[len(self.cracks) * quarter // 4] for quarter in (1, 2, 3)]
        tiles = [_inked(labelled, [stroke], STROKE)]
        tiles += [_inked(self.split.X_test[at], [_closed(one) for one in self.regions[at]], OUTLINE) for at in shown]
        width, height = (side + GAP for side in tiles[0].size)
        poster = Image.new("RGB", (2 * width - GAP, 2 * height - GAP), "white")
        for place, tile in enumerate(tiles):
            poster.paste(tile, (place % 2 * width, place // 2 * height))
        size, buffer = (POSTER_WIDTH, round(POSTER_WIDTH * poster.height / poster.width)), io.BytesIO()
        poster.resize(size, Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=85)
        return buffer.getvalue()

    def page(self, measures: dict[str, Any], seed: int, notes: Sequence[str] = ()) -> str:
        """The report: what was found in words, and every crack with its outline over the native picture.

        Args:
            measures: From `measures`.
            seed: Of the data.
            notes: What the threshold cannot promise.
        """
        labelled, stroke = _stroke(self.split)
        line = [(round(x), round(y)) for x, y in [*stroke, *stroke[::-1]]]  # a polygon that goes and comes back
        kinds, shown = self.split.kind_test, self.others[:N_OTHERS]
        rows = [
            (kind, int(own.sum()), int(self.above[own].sum()), float(np.median(self.score[own])))
            for kind in dict.fromkeys(["crack", *kinds.tolist()])
            for own in [kinds == kind]
        ]
        facts = {
            "average precision": f"{measures['average_precision']:.3f}",
            "pixel average precision": f"{measures['pixel_average_precision']:.3f}",
            "highest place on the crack": f"{measures['pointing']:.0%}",
            "outlines without a crack": str(measures["false_outlines"]),
            "seed": str(seed),
        }
        lead = (
            f"{sentence(measures)}.\n\nThe detector was fitted on {len(self.split.X_train)} parts and one stroke; "
            f"these {len(self.score)} parts are new to it. Found: the part scores above the threshold. Outlined: at "
            "least half of the crack lies in outlines. False: a part without a crack scores above the threshold. "
            + " ".join(f"{one[0].upper()}{one[1:]}." for one in notes)
        )
        sections = [
            Section("The only label", "One stroke along one crack. The other training parts are unlabelled; some have "
                    "a scratch, a stain or a chip.", _native(drawn(labelled, [line], "the labelled part, the stroke"))),
            Section("Every crack", self.outlines.legend(), self._figures(self.cracks)),
            Section("Not cracks", f"The {len(shown)} highest scores of parts without a crack.", self._figures(shown)),
        ]  # fmt: skip
        table = Table("Parts above the threshold", ("kind", "parts", "above", "median score"), rows)
        return render("Hairline cracks, from one stroke", lead, facts, [table], sections)

    def _figures(self, pictures: Sequence[int]) -> str:
        return "".join(self._figure(at, rank) for rank, at in enumerate(pictures, start=1))

    def _figure(self, picture: int, rank: int) -> str:
        name, heat = f"{rank}. {self.split.kind_test[picture]}, score {self.score[picture]:.2f}", self.heat[picture]
        shown = _native(self.outlines.over(self.split.X_test[picture], heat, name))
        words = f"<p>{escape(self.outlines.words(heat))}</p>"
        return f'<figure class="hit"><figcaption>{escape(name)}</figcaption>{shown}{words}</figure>'


def find(det: Any, split: Split) -> Found:
    """Score and outline the test pictures of a split with masks, by a fitted detector."""
    assert split.masks_test is not None
    score, heat = det.defect_score(split.X_test), np.stack(det.heat(split.X_test))
    near = np.stack([_widened(mask) for mask in split.masks_test])
    outlines = Outlines(det, PEAK_AREA)
    regions = [outlines.regions(one) for one in heat]
    return Found(split, score, score >= det.threshold_, heat, near, outlines, regions)


def sentence(measures: dict[str, Any]) -> str:
    """What was found, in words.

    Example:
        >>> sentence({"found": 11, "cracks": 12, "outlined": 12, "false": 1})
        'Found 11 of 12 cracks, outlined 12; 1 false'
    """
    found, cracks, outlined, false = (measures[name] for name in ("found", "cracks", "outlined", "false"))
    return f"Found {found} of {cracks} cracks, outlined {outlined}; {false} false"


def _widened(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    return np.asarray(distance_transform_edt(~mask)) <= NEAR if mask.any() else mask


def _stroke(split: Split) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """The labelled picture, and the stroke on it."""
    regions = [] if split.regions_train is None else split.regions_train
    at, points = next((at, points) for at, points in enumerate(regions) if points is not None)
    return split.X_train[at], [(float(x), float(y)) for x, y in points]


def _closed(region: Region) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in [*region.border, region.border[0]]]


def _inked(
    picture: np.ndarray, lines: Sequence[list[tuple[float, float]]], colour: tuple[int, int, int]
) -> Image.Image:
    image = Image.fromarray(picture[0]).convert("RGB")
    for ink, width in ((HALO, 5), (colour, 3)):
        for line in lines:
            ImageDraw.Draw(image).line(line, fill=ink, width=width, joint="curve")
    return image


def _native(picture: str) -> str:
    return f'<div class="native">{picture}</div>'
