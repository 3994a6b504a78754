"""Labelled images of the shared folder as files the workbench reads: JPEG as they are, CIFAR and
MNIST as PPM and PGM, one file per image."""
import gzip
import struct
import zlib
from collections import namedtuple
from pathlib import Path

# calibration: a folder of images; test: list of (file, label).
LabelledImages = namedtuple("LabelledImages", "calibration test")

CALIBRATION_COUNT = 20


def imagenet_images(shared):
    folder = shared / "images" / "imagenet500_256"
    entries = [text.split("\t") for text in (folder / "labels.tsv").read_text().splitlines()]
    # The first ones in name order calibrate; every seventh of the others is tested on.
    rest = entries[CALIBRATION_COUNT::7]
    return LabelledImages(folder, [(folder / name, int(label)) for name, label in rest])


def unfilter(kind, row, above, step):
    """Undoes one PNG scanline filter; `step` bytes per pixel."""
    for i in range(len(row)):
        left = row[i - step] if i >= step else 0
        up = above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            nearest = left + up - corner
            guess = min((left, up, corner), key=lambda one: abs(nearest - one))
        else:
            guess = 0
        row[i] = (row[i] + guess) & 0xFF


def png_rows(path, count):
    """The first `count` rows of an 8-bit RGB PNG without interlacing, as bytes."""
    content = path.read_bytes()
    position, data, width = 8, b"", 0
    while position < len(content):
        length, kind = struct.unpack(">I4s", content[position:position + 8])
        chunk = content[position + 8:position + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
            assert (depth, colour, interlace) == (8, 2, 0), path
        elif kind == b"IDAT":
            data += chunk
        position += 12 + length
    raw = zlib.decompress(data)
    stride = 3 * width
    rows, above = [], bytearray(stride)
    for index in range(count):
        begin = index * (stride + 1)
        row = bytearray(raw[begin + 1:begin + 1 + stride])
        unfilter(raw[begin], row, above, 3)
        rows.append(bytes(row))
        above = row
    return rows


def cifar_folder(source, batch, folder, count):
    labels = (source / f"cifar10_batch_{batch}.labels.txt").read_text().split()
    folder = Path(folder) / f"cifar_{batch}"
    folder.mkdir(exist_ok=True)
    images = []
    for index, row in enumerate(png_rows(source / f"cifar10_batch_{batch}.png", count)):
        path = folder / f"{index:04}.ppm"
        path.write_bytes(b"P6 32 32 255\n" + row)
        images.append((path, int(labels[index])))
    return folder, images


def cifar_images(shared, folder, count=200):
    source = shared / "images" / "cifar10_lossless"
    calibration, _ = cifar_folder(source, 0, folder, CALIBRATION_COUNT)
    return LabelledImages(calibration, cifar_folder(source, 50, folder, count)[1])


def mnist_images(shared, folder, count=200):
    source = shared / "images" / "mnist_t10k"
    pixels = gzip.decompress((source / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((source / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    images = []
    for index in range(CALIBRATION_COUNT + count):
        part = "calibration" if index < CALIBRATION_COUNT else "test"
        target = Path(folder) / f"mnist_{part}"
        target.mkdir(exist_ok=True)
        path = target / f"{index:04}.pgm"
        path.write_bytes(b"P5 28 28 255\n" + pixels[784 * index:784 * (index + 1)])
        images.append((path, labels[index]))
    return LabelledImages(Path(folder) / "mnist_calibration", images[CALIBRATION_COUNT:])
