"""A small made-up data set: coloured shapes on noise, in COCO layout."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from masklet.data.datasets import ImagePool, training_images
from masklet.types import Mask


def shapes(seed: int, height: int = 120, width: int = 160) -> tuple[np.ndarray, list[np.ndarray]]:
    """A noisy picture and the masks of a disc and a box on it."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(40, 200, (8, 10, 3)).astype(np.float32)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    masks = []
    for kind in ("disc", "box"):
        canvas = np.zeros((height, width), np.uint8)
        x, y = int(rng.integers(40, width - 40)), int(rng.integers(35, height - 35))
        if kind == "disc":
            cv2.circle(canvas, (x, y), int(rng.integers(14, 25)), 1, -1)
        else:
            cv2.rectangle(canvas, (x - 16, y - 12), (x + 16, y + 12), 1, -1)
        mask = canvas.astype(bool)
        image[mask] = rng.uniform(0, 255, 3)
        masks.append(mask)
    masks[0] &= ~masks[1]
    return np.clip(image, 0, 255).astype(np.uint8), [mask for mask in masks if mask.sum() > 200]


def write_coco(folder: Path, count: int, first_id: int = 1) -> Path:
    """Write `count` pictures of shapes as a COCO set; returns the JSON file."""
    (folder / "images").mkdir(parents=True)
    records, annotations = [], []
    for number in range(first_id, first_id + count):
        image, masks = shapes(number)
        name = f"{number:03d}.png"
        cv2.imwrite(str(folder / "images" / name), image[..., ::-1])
        records.append({"id": number, "file_name": name, "height": 120, "width": 160})
        for mask in masks:
            segmentation = {"size": [120, 160], "counts": Mask.from_array(mask).counts.decode()}
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "segmentation": segmentation, "iscrowd": 0}
            )
    file = folder / "instances.json"
    file.write_text(json.dumps({"images": records, "annotations": annotations, "categories": []}))
    return file


@pytest.fixture(scope="session")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets, `coco` of 10 pictures and `shapes` of 6."""
    root = tmp_path_factory.mktemp("stills")
    write_coco(root / "coco", 10)
    write_coco(root / "shapes", 6, first_id=50)
    return root


@pytest.fixture
def pool(stills: Path) -> ImagePool:
    return training_images(stills)
