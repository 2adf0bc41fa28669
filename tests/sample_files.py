"""Files to read in tests: images and folders of frames."""

import numpy as np
from PIL import Image as Pillow


def picture(path, size=(12, 10), value=None, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 1000)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    array = rng.integers(0, 255, shape) if value is None else np.full(shape, value)
    Pillow.fromarray(array.astype(np.uint8)).save(path)
    return path


def frames(folder, n, size=(16, 12), start=0, prefix=""):
    for i in range(n):
        array = np.full((size[1], size[0]), 30 if "1" in folder.name else 200)
        array[2:6, (i + 2) % 12 : (i + 5) % 15 + 1] = 120
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(array.astype(np.uint8)).save(folder / f"{prefix}{i + start:03d}.png")
