#!/usr/bin/env python3
"""Images to train CIFAR-10 networks with, as docs/retrain.md measures them: the 20,000 that are kept
as JPEG, the 1000 lossless ones several times, and crops of the 500 photos, which have no trace of
JPEG left at 32x32.

usage: bench/training_images.py FOLDER [--lossless 15] [--crops 30] [--jpeg 20] [--held-out 200]

Writes FOLDER/train and FOLDER/held_out, batches laid out as cifar10_lossless is. Held out are the last
of the lossless images; what shows the same among the JPEG ones is not trained with. Crops have the
class 0: --loss distill alone makes sense of them. WORKBENCH_SHARED: where the images are.
"""
import argparse
import os
import pathlib

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = pathlib.Path(os.environ.get("WORKBENCH_SHARED", str(ROOT / ".." / "shared"))) / "images"
SIDE, BATCH, SMALLEST_CROP = 32, 1000, 112


def read(path):
    rows = numpy.asarray(Image.open(path).convert("RGB"))
    labels = path.with_suffix(".labels.txt").read_text(encoding="utf-8").split()
    return rows.reshape(-1, SIDE, SIDE, 3), [int(label) for label in labels]


def write(folder, name, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(images.reshape(len(images), SIDE * SIDE, 3)).save(folder / f"{name}.png")
    lines = "".join(f"{label}\n" for label in labels)
    (folder / f"{name}.labels.txt").write_text(lines, encoding="utf-8")


def crops(count, random):
    for path in sorted((IMAGES / "imagenet500_256").glob("*.jpg")):
        photo = Image.open(path).convert("RGB")
        for _ in range(count):
            side = random.integers(SMALLEST_CROP, min(photo.size) + 1)
            x, y = (random.integers(0, size - side + 1) for size in photo.size)
            part = photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS, (x, y, x + side, y + side))
            yield numpy.asarray(part)


def unlike(images, others):
    """Per image whether it shows none of the others, by the correlation of pixels."""
    def normal(pixels):
        flat = pixels.reshape(len(pixels), -1).astype(numpy.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        return flat / (numpy.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    return (normal(images) @ normal(others).T).max(axis=1) < 0.95


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lossless", type=int, default=15)
    parser.add_argument("--crops", type=int, default=30)
    parser.add_argument("--jpeg", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=200)
    options = parser.parse_args()
    train = options.folder / "train"
    lossless, labels = read(IMAGES / "cifar10_lossless" / "cifar10_batch_0.png")
    trained = len(lossless) - options.held_out
    write(options.folder / "held_out", "lossless", lossless[trained:], labels[trained:])
    for i in range(options.lossless):
        write(train, f"lossless_{i:02}", lossless[:trained], labels[:trained])
    dropped = 0
    for i in range(options.jpeg):
        images, classes = read(IMAGES / "cifar10_train" / f"cifar10_train_{i:02}.png")
        kept = unlike(images, lossless[trained:])
        dropped += int((~kept).sum())
        write(train, f"jpeg_{i:02}", images[kept], numpy.array(classes)[kept])
    every = numpy.array(list(crops(options.crops, numpy.random.default_rng(1))))
    for i in range(0, len(every), BATCH):
        write(train, f"crops_{i // BATCH:02}", every[i:i + BATCH], [0] * len(every[i:i + BATCH]))
    print(f"{dropped} JPEG images show what is held out and are left out")


if __name__ == "__main__":
    main()
