"""Whether Label Studio's and FiftyOne's own importers read what `blemish score --regions` writes.

They stay out of Blemish's environment, and FiftyOne's database is not needed to read a file:

    python -m venv readers && readers/bin/pip install label-studio-sdk fiftyone mongomock pycocotools
    blemish score tiles.blemish new -o scores.csv --regions regions.json
    readers/bin/python benchmarks/coco_readers.py regions.json new
"""

import argparse
import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

TOLERANCE = 1e-6  # pixels


def label_studio(regions: Path, written: dict[str, Any]) -> str:
    """Import into Label Studio's tasks; the boxes and outlines must be those of the file."""
    importer: Any = import_module("label_studio_sdk.converter.imports.coco")

    with tempfile.TemporaryDirectory() as folder:
        tasks_file = Path(folder, "tasks.json")
        importer.convert_coco_to_ls(str(regions), str(tasks_file), image_root_url="/data/local-files/?d=new")
        tasks = json.loads(tasks_file.read_text())
        labels = tasks_file.with_suffix(".label_config.xml").read_text()
    check(len(tasks) == len(written["images"]), "a task per picture")
    check(all(f'value="{kind["name"]}"' in labels for kind in written["categories"]), "the kinds as labels")
    boxes, outlines = [], []
    for task in tasks:
        for one in task["annotations"][0]["result"]:
            value, size = one["value"], (one["original_width"] / 100, one["original_height"] / 100)
            if one["type"] == "rectanglelabels":
                sides = (value["x"], value["y"], value["width"], value["height"])
                boxes.append([side * size[at % 2] for at, side in enumerate(sides)])
            else:
                outlines.append([side * size[at] for point in value["points"] for at, side in enumerate(point)])
    by_picture = sorted(written["annotations"], key=lambda one: one["image_id"])
    alike(boxes, [one["bbox"] for one in by_picture], "boxes")
    alike(outlines, [ring for one in by_picture for ring in one["segmentation"]], "outlines")
    return f"{len(tasks)} tasks, {len(boxes)} boxes, {len(outlines)} outlines"


def fiftyone(regions: Path, pictures: Path, written: dict[str, Any]) -> str:
    """Import as FiftyOne's detections with masks; boxes, areas and scores must be those of the file."""
    os.environ |= {"FIFTYONE_DATABASE_URI": "mongodb://localhost:27017", "FIFTYONE_DO_NOT_TRACK": "1"}
    mongo: Any = import_module("pymongo")
    mongo.MongoClient = import_module("mongomock").MongoClient  # before FiftyOne looks for its database
    reader: Any = import_module("fiftyone.utils.coco").COCODetectionDatasetImporter
    kinds = ["detections", "segmentations"]
    importer = reader(data_path=str(pictures), labels_path=str(regions), label_types=kinds, include_id=True)
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in written["images"]}
    boxes, areas, scores, n = [], [], [], 0
    with importer:
        for path, _, labels in importer:
            n += 1
            name = Path(path).relative_to(pictures.resolve()).as_posix()
            of_picture = labels or {}
            for one in of_picture["detections"].detections if "detections" in of_picture else []:
                boxes.append([side * sizes[name][at % 2] for at, side in enumerate(one.bounding_box)])
                scores.append(one["score"] if "score" in one.field_names else one.confidence)
            for one in of_picture["segmentations"].detections if "segmentations" in of_picture else []:
                areas.append(int(one.mask.sum()))
    check(n == len(written["images"]), "a sample per picture")
    names = {one["id"]: one["file_name"] for one in written["images"]}
    by_name = sorted(written["annotations"], key=lambda one: names[one["image_id"]])
    alike(sorted(boxes), sorted(one["bbox"] for one in by_name), "boxes")
    alike([sorted(scores)], [sorted(one["score"] for one in by_name)], "scores")
    check(len(areas) == len(by_name), "a mask per region")
    apart = sum(areas) - sum(one["area"] for one in by_name)
    return f"{n} samples, {len(boxes)} boxes with scores, {len(areas)} masks ({apart:+d} pixels, holes are filled)"


def alike(found: list[list[float]], expected: list[list[float]], what: str) -> None:
    """Exit unless all numbers are the same."""
    same = len(found) == len(expected) and all(
        len(a) == len(b) and all(abs(x - y) <= TOLERANCE for x, y in zip(a, b, strict=True))
        for a, b in zip(found, expected, strict=True)
    )
    check(same, f"{what} as written")


def check(holds: bool, what: str) -> None:
    """Exit unless it holds."""
    if not holds:
        sys.exit(f"not read: {what}")


def main() -> None:
    """Both importers, a line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("regions", type=Path, help="COCO file that `blemish score --regions` wrote")
    parser.add_argument("pictures", type=Path, help="folder that was scored")
    given = parser.parse_args()
    written = json.loads(given.regions.read_text())
    print(f"Label Studio: {label_studio(given.regions, written)}")
    print(f"FiftyOne: {fiftyone(given.regions, given.pictures, written)}")


if __name__ == "__main__":
    main()
