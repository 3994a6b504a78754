"""Images of noise with labels, to train with."""
import random

STEPS = """dims: [3, 32, 32]
transpose: [2, 0, 1]
channel_swap: [2, 1, 0]
raw_scale: 255
mean_value: [120, 125, 130]
input_scale: 0.017
"""


def write_photos(folder, seed):
    """Twelve in `folder`/photos, and `folder`/steps.yaml, by which they become an input."""
    drawn = random.Random(seed)
    photos = folder / "photos"
    photos.mkdir()
    (folder / "steps.yaml").write_text(STEPS)
    labels = ""
    for i in range(12):
        (photos / f"{i:02}.ppm").write_bytes(b"P6\n32 32\n255\n" + drawn.randbytes(32 * 32 * 3))
        labels += f"{i:02}.ppm\t{i % 10}\n"
    (photos / "labels.tsv").write_text(labels)
