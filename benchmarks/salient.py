"""The salient-object network of `regio.regions`: train it, and measure it against a classical method.

    python benchmarks/salient.py train PHOTOS MAPS salient.safetensors     some minutes on one core
    python benchmarks/salient.py measure PHOTOS MAPS [salient.safetensors]

PHOTOS is a folder of pictures, MAPS one of grey pictures of the same stems, white where a teacher (or a person) saw the
salient object. Every seventh picture by name is held back: nothing is trained on it, and `measure` looks at no other.

The classical opponent is the border contrast of Zhang et al. 2015 ("Minimum Barrier Salient Object Detection at 80
FPS", Section 3.3, without its geodesic part): how far, by Mahalanobis, a pixel's colour lies from the colours of the
borders of the picture; times a Gaussian around the middle, as most such methods end.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from regio.regions import salient

SIDE = salient.SIDE
HELD_BACK = 7  # one in so many
STORED = SIDE + 16  # pictures are kept this large, and cropped to SIDE


def pairs(photos: Path, maps: Path, held_back: bool) -> Iterator[tuple[Path, Path]]:
    """Photo and map, of the part that is trained on or of the part that is held back."""
    found = [(path, maps / f"{path.stem}.png") for path in sorted(photos.iterdir())]
    found = [(photo, mask) for photo, mask in found if mask.is_file()]
    for k, pair in enumerate(found):
        if (k % HELD_BACK == 0) == held_back:
            yield pair


def load(photos: Path, maps: Path, held_back: bool, side: int) -> tuple[Tensor, Tensor]:
    """Pictures (n,3,side,side) and maps (n,1,side,side), both uint8."""
    xs, ys = [], []
    for photo, mask in pairs(photos, maps, held_back):
        with Image.open(photo) as image:
            xs.append(np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BOX)))
        with Image.open(mask) as image:
            ys.append(np.asarray(image.convert("L").resize((side, side), Image.Resampling.BILINEAR)))
    return torch.from_numpy(np.stack(xs)).permute(0, 3, 1, 2), torch.from_numpy(np.stack(ys))[:, None]


class Net(nn.Module):
    """The network of `regio.regions.salient` as it is trained: batch norm behind each convolution, at last folded."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {
                name: nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
                for name, (a, b, kernel, stride) in salient.LAYERS.items()
            }
        )
        self.norms = nn.ModuleDict({name: nn.BatchNorm2d(layer[1]) for name, layer in salient.LAYERS.items()})

    def forward(self, x: Tensor) -> Tensor:
        """x (B,5,S,S) -> logits (B,1,S/2,S/2)."""
        logits: Tensor = salient.walk(x, self.layer, F.relu, self.mean, self.double)
        return logits

    def layer(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = self.norms[name](self.convs[name](x))
        return out

    @staticmethod
    def mean(x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)

    @staticmethod
    def double(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2)

    def folded(self) -> dict[str, Tensor]:
        """Weights and biases of plain convolutions that do the same."""
        tensors = {}
        for name, conv in self.convs.items():
            norm = self.norms[name]
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            tensors[f"{name}.weight"] = conv.weight * gain[:, None, None, None]
            tensors[f"{name}.bias"] = norm.bias - norm.running_mean * gain
        return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}


def with_places(x: Tensor) -> Tensor:
    """Pictures (B,3,S,S) uint8 -> the network's input (B,5,S,S)."""
    places = torch.from_numpy(salient.places(x.shape[-1])).expand(len(x), -1, -1, -1)
    return torch.cat([(x.float() - 127.5) / 64, places], 1)


def augmented(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Another crop, direction and brightness for each picture."""
    xs, ys = [], []
    for one, mask in zip(x, y, strict=True):
        size = int(torch.randint(int(0.8 * STORED), STORED + 1, ()))
        top, left = (int(torch.randint(0, STORED - size + 1, ())) for _ in range(2))
        flip = [2] if torch.rand(()) < 0.5 else []
        part = one[:, top : top + size, left : left + size].float()
        light = 1 + 0.3 * (torch.rand(3, 1, 1) * 0.4 + torch.rand(()) - 0.7)
        xs.append(F.interpolate((part * light).clamp(0, 255).flip(flip)[None], SIDE, mode="bilinear")[0])
        cut = mask[:, top : top + size, left : left + size].float().flip(flip)[None]
        ys.append(F.interpolate(cut, SIDE // 2, mode="area")[0] / 255)
    return torch.stack(xs), torch.stack(ys)


def loss_of(logits: Tensor, y: Tensor) -> Tensor:
    """Cross entropy, and one minus the soft intersection over union, per picture."""
    p = torch.sigmoid(logits)
    both, either = (p * y).sum((1, 2, 3)), (p + y - p * y).sum((1, 2, 3))
    return F.binary_cross_entropy_with_logits(logits, y) + (1 - (both + 1) / (either + 1)).mean()


def train(photos: Path, maps: Path, out: Path, epochs: int, batch: int = 16, seed: int = 0) -> None:
    """Adam with one cycle of the learning rate; writes half precision, batch norm folded in."""
    torch.manual_seed(seed)
    x, y = load(photos, maps, False, STORED)
    net = Net()
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    start = time.perf_counter()
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            some, wanted = augmented(x[chosen], y[chosen])
            loss = loss_of(net(with_places(some)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total * batch / len(x):.4f}, {time.perf_counter() - start:.0f} s", flush=True)
    save_file(net.eval().folded(), out)
    print(f"{out}: {out.stat().st_size} bytes")


def border_contrast(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The classical method: (H,W,3) uint8 -> (S,S) in 0..1."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX).convert("LAB")
    colours = np.asarray(small).astype(np.float64)
    edge = SIDE // 10
    distances = []
    for strip in (colours[:edge], colours[-edge:], colours[:, :edge], colours[:, -edge:]):
        seen = strip.reshape(-1, 3)
        inverse = np.linalg.inv(np.cov(seen.T) + np.eye(3) * 10)
        off = colours - seen.mean(0)
        distance = np.sqrt(np.einsum("hwc,cd,hwd->hw", off, inverse, off))
        distances.append(distance / distance.max())
    contrast = np.sum(distances, 0) - np.max(distances, 0)  # one border may be part of the object
    at = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    contrast = contrast * np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 0.3**2))
    contrast = (contrast - contrast.min()) / max(float(np.ptp(contrast)), 1e-9)
    return np.asarray(1 / (1 + np.exp(-10 * (contrast - 0.5))))


def middle(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What needs no picture at all: a Gaussian."""
    at = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    return np.asarray(np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 0.22**2)))


def measure(photos: Path, maps: Path, weights: Path | None) -> None:
    """Mean absolute error, IoU where more than half sure, and the best F (beta^2 = 0.3) of one threshold for all."""
    network = salient.Salient(weights) if weights else salient.Salient()
    methods = {"network": network.map, "border contrast": border_contrast, "a Gaussian in the middle": middle}
    errors: dict[str, list[float]] = {name: [] for name in methods}
    ious: dict[str, list[float]] = {name: [] for name in methods}
    hits: dict[str, list[NDArray[np.float64]]] = {name: [] for name in methods}
    for photo, mask in pairs(photos, maps, True):
        with Image.open(photo) as image, Image.open(mask) as wanted:
            pixels = np.asarray(image.convert("RGB"))
            truth = np.asarray(wanted.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)) / 255.0
        sure = truth > 0.5
        for name, method in methods.items():
            guess = np.asarray(Image.fromarray(method(pixels).astype(np.float32)).resize((SIDE, SIDE)))
            errors[name].append(float(np.abs(guess - truth).mean()))
            if not sure.any():
                continue
            ious[name].append(float((sure & (guess > 0.5)).sum() / (sure | (guess > 0.5)).sum()))
            found = guess[None] > np.linspace(0.05, 0.95, 19)[:, None, None]
            both = (found & sure).sum((1, 2))
            precision, recall = both / np.maximum(found.sum((1, 2)), 1), both / sure.sum()
            hits[name].append(1.3 * precision * recall / np.maximum(0.3 * precision + recall, 1e-9))
    count = len(errors["network"])
    print(f"{count} pictures held back\n\n| method | MAE | IoU | best mean F |\n|---|---|---|---|")
    for name in methods:
        best = np.mean(hits[name], 0).max()
        print(f"| {name} | {np.mean(errors[name]):.3f} | {np.mean(ious[name]):.3f} | {best:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "measure"))
    parser.add_argument("photos", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("weights", type=Path, nargs="?")
    parser.add_argument("--epochs", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "train":
        if given.weights is None:
            parser.error("the file to write is missing")
        train(given.photos, given.maps, given.weights, given.epochs)
    else:
        measure(given.photos, given.maps, given.weights)


if __name__ == "__main__":
    main()
