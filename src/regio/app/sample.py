"""A picture to start with, drawn by code: sky, sun, hills and meadow, and a sign that can be the region."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from regio.images import Pixels

WIDTH, HEIGHT = 640, 448
WORDS = "REGIO 20 km"


def sample() -> Pixels:
    """(448,640,3), the same every time."""
    rng = np.random.default_rng(20)
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT  # both in heights of the picture
    pixels = np.stack([120 + 110 * down, 165 + 60 * down, 225 + 0 * down], axis=-1)
    glow = np.exp(-((across - 1.05) ** 2 + (down - 0.22) ** 2) / 0.02)[..., None]
    pixels += glow * (255 - pixels)
    for k, colour in enumerate([(112, 132, 150), (84, 112, 96), (70, 96, 52)]):
        waves = sum(np.sin(across[0] * rate + rng.uniform(0, 6)) / rate for rate in (3, 7, 17, 31))
        line = 0.46 + 0.12 * k + 0.22 * waves / (1 + k)
        grain = _grain(rng, 1 + 2 * k)[..., None] * (10 + 8 * k)
        pixels = np.where((down > line)[..., None], np.array(colour) + grain, pixels)
    return _signed(np.clip(pixels, 0, 255).astype(np.uint8))


def _grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise of about this size in pixels, (H,W), of standard deviation 1."""
    noise = Image.fromarray(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32))
    soft = np.asarray(noise.resize((WIDTH // size, HEIGHT // size)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return np.asarray(soft / soft.std())


def _signed(pixels: Pixels) -> Pixels:
    """With a sign that stands in the meadow."""
    image = Image.fromarray(pixels)
    shade = Image.new("L", image.size)
    ImageDraw.Draw(shade).ellipse((130, 398, 330, 420), fill=110)
    image.paste((20, 30, 15), mask=shade.filter(ImageFilter.GaussianBlur(6)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((212, 300, 222, 410), fill=(92, 74, 58))
    draw.rounded_rectangle((96, 196, 338, 312), 12, fill=(16, 84, 70), outline=(245, 245, 238), width=5)
    draw.text((217, 254), WORDS, fill=(250, 250, 244), font=ImageFont.load_default(34), anchor="mm")
    return np.asarray(image)
