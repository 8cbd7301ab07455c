"""Features of image classifiers: LPIPS [Zhang2018], DISTS [Ding2020], and the plain distance that MCM trains with.

docs/papers.md lists the papers.

    x (B,3,H,W) -> normalise -> classifier -> taps f_l (B,C_l,H_l,W_l) -> unit length over channels
    LPIPS = sum over l of mean over places of w_l . (f_l(x) - f_l(y))**2                        Eq. (1) of [Zhang2018]

The networks judge and are never part of a codec. Their weights are not part of Regio either: they come from a folder,
or are fetched once from their publishers and checked (`perceptual_weights`). A figure means nothing without its
backbone, so every name says which: "LPIPS (SqueezeNet 1.1)".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regio.errors import MissingWeights, UsageError
from regio.losses.perceptual_weights import BACKBONES, DISTS, Backbone, find, read_state

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, on [0,1]. LPIPS' own shift and scale on [-1,1] are the same map: (1 - 0.030) / 2 = 0.485, ..."""


class Fire(nn.Module):
    """SqueezeNet's block: (B,C,h,w) -> (B,2E,h,w), a 1x1 and a 3x3 convolution of S squeezed channels."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


def squeezenet() -> nn.Sequential:
    """Feature layers of SqueezeNet 1.1, numbered as torchvision numbers them."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    first = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool()]
    then = [Fire(128, 32, 128), Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192)]
    return nn.Sequential(*first, *then, Fire(384, 64, 256), Fire(512, 64, 256))


def alexnet() -> nn.Sequential:
    """Feature layers of AlexNet in the variant of "One weird trick" (Krizhevsky 2014), numbered as in torchvision."""

    def conv(i: int, o: int, size: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, size, padding=size // 2), nn.ReLU()]

    first = [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    then = [*conv(64, 192, 5), nn.MaxPool2d(3, 2), *conv(192, 384, 3), *conv(384, 256, 3), *conv(256, 256, 3)]
    return nn.Sequential(*first, *then)


def vgg16() -> nn.Sequential:
    """Feature layers of VGG-16 up to relu5_3, numbered as in torchvision."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers[:-1])


LAYERS = {"squeeze": squeezenet, "alex": alexnet, "vgg": vgg16}


class Taps(nn.Module):
    """A frozen classifier, read out after some of its layers.

    layers: names of `Backbone.taps`; default those that LPIPS compares.
    weights: folder with the backbone's file, or the file; None: the cache, else the publisher (see `find`).
    Gradients reach the input, never the weights; the network stays in evaluation mode and in float32.
    Raises UsageError for a backbone or layer that does not exist, MissingWeights for weights that are not available.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, backbone: str = "squeeze", layers: Sequence[str] = (), *, weights: str | Path | None = None
    ) -> None:
        super().__init__()
        self.about = known(backbone)
        self.layers = tuple(layers) or self.about.lpips
        if strange := [name for name in self.layers if name not in self.about.taps]:
            raise UsageError(f"{self.about.title} has no layer {strange[0]!r}: {', '.join(self.about.taps)}")
        path = find(self.about.features, weights)
        self.weights_hash, state = read_state(path, self.about.features)
        body: nn.Sequential = LAYERS[backbone]()
        _load(body, {key.removeprefix("features."): value for key, value in state.items()}, path)
        self.body = nn.Sequential(*list(body)[: 1 + max(self.about.taps[name] for name in self.layers)])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Taps":
        """Stays in evaluation mode: its weights are never trained."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (B,3,H,W) in [0,1] -> features (B,C_l,H_l,W_l), in the order of `layers`. ValueError if x is too small."""
        if min(x.shape[2:]) < self.about.smallest:
            raise ValueError(f"{self.about.title} needs pictures of at least {self.about.smallest} pixels a side")
        with torch.autocast(x.device.type, enabled=False):
            x = (x.float() - self.mean) / self.deviation
            found: dict[int, Tensor] = {}
            wanted = {self.about.taps[name] for name in self.layers}
            for number, layer in enumerate(self.body):
                x = layer(x)
                if number in wanted:
                    found[number] = x
        return [found[self.about.taps[name]] for name in self.layers]


class Lpips(nn.Module):
    """LPIPS v0.1 [Zhang2018]: 0 for equal pictures, about 0.7 for unlike ones. A metric, and a loss.

    backbone: "squeeze" (SqueezeNet 1.1, the fastest), "alex" (the usual metric) or "vgg" (the usual loss).
    weights: folder with the backbone's and the heads' files (names in `perceptual_weights.BACKBONES`); None: the
    cache, else the publishers. Raises as `Taps` does.

    Departure: lengths are sqrt(|f|**2 + 1e-20), not |f| + 1e-10, because the latter has no gradient where f = 0.
    """

    def __init__(self, backbone: str = "squeeze", *, weights: str | Path | None = None) -> None:
        super().__init__()
        self.taps = Taps(backbone, weights=weights)
        self.about = self.taps.about
        path = find(self.about.heads, weights)
        self.heads_hash, state = read_state(path, self.about.heads)
        # dropout stands before each head in the published modules: hence "model.1" in the names
        self.heads = nn.ParameterList(
            nn.Parameter(torch.zeros(1, channels, 1, 1), requires_grad=False) for channels in self.about.channels
        )
        _load(self.heads, {key.removeprefix("lin").split(".")[0]: value for key, value in state.items()}, path)

    @property
    def name(self) -> str:
        """For tables: the metric and its backbone."""
        return f"LPIPS ({self.about.title})"

    @property
    def description(self) -> str:
        """For reports: name and the first digits of the SHA-256 of both files."""
        return f"{self.name}, v0.1, backbone {self.taps.weights_hash[:8]}, heads {self.heads_hash[:8]}"

    @property
    def smallest(self) -> int:
        """The shortest side, in pixels, of a picture that the network can take."""
        return self.about.smallest

    @property
    def device(self) -> torch.device:
        """The device it runs on."""
        return self.taps.mean.device

    def features(self, x: Tensor) -> list[Tensor]:
        """x (B,3,H,W) in [0,1] -> features (B,C_l,h_l,w_l) of unit length: computed once for an original."""
        return [unit(f) for f in self.taps(x)]

    def distance(self, x: list[Tensor], y: list[Tensor]) -> Tensor:
        """The results of `features` for two pictures -> distances (B,)."""
        pairs = zip(self.heads, x, y, strict=True)
        return torch.stack([((f - g).square() * head).sum(dim=1).mean(dim=(1, 2)) for head, f, g in pairs]).sum(0)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y (B,3,H,W) in [0,1] -> distance (B,). Values outside [0,1] are taken as they are."""
        return self.distance(self.features(x), self.features(y))


class SmoothPool(nn.Module):
    """Halves features by the root of a blurred square instead of the maximum, Eq. (4) of [Ding2020]: no aliasing."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,h,w) -> (B,C,ceil(h/2),ceil(w/2))."""
        taps = torch.tensor((0.25, 0.5, 0.25), dtype=x.dtype, device=x.device)  # of a Hann window
        kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
        return (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


class Dists(nn.Module):
    """DISTS [Ding2020]: similarity of means (texture) and of correlation (structure) of VGG-16 features.

    0 for equal pictures. weights: folder with the files of VGG-16 and of DISTS; None: the cache, else the publishers.
    Raises as `Taps` does. Pictures are taken at their size: the authors' program can shrink them to 256 pixels first,
    and its figures are then others.
    """

    def __init__(self, *, weights: str | Path | None = None) -> None:
        super().__init__()
        self.taps = Taps("vgg", weights=weights)
        for number, layer in enumerate(self.taps.body):
            if isinstance(layer, nn.MaxPool2d):
                self.taps.body[number] = SmoothPool()
        path = find(DISTS, weights)
        self.weights_hash, state = read_state(path, DISTS)
        self.channels = (3, *self.taps.about.channels)
        self.alpha = nn.Parameter(torch.zeros(1, sum(self.channels), 1, 1), requires_grad=False)
        self.beta = nn.Parameter(torch.zeros(1, sum(self.channels), 1, 1), requires_grad=False)
        parts = {key: value for key, value in state.items() if key in ("alpha", "beta")}
        with torch.no_grad():
            for name, own in (("alpha", self.alpha), ("beta", self.beta)):
                if name not in parts or parts[name].shape != own.shape:
                    raise MissingWeights(f"{path}: not the expected weights (no {name} of {tuple(own.shape)})")
                own.copy_(parts[name])

    @property
    def description(self) -> str:
        """For reports: name, backbone, and the first digits of the SHA-256 of both files."""
        return f"DISTS (VGG-16), backbone {self.taps.weights_hash[:8]}, weights {self.weights_hash[:8]}"

    @property
    def smallest(self) -> int:
        """The shortest side, in pixels, of a picture that it takes."""
        return self.taps.about.smallest

    @property
    def device(self) -> torch.device:
        """The device it runs on."""
        return self.taps.mean.device

    def features(self, x: Tensor) -> list[Tensor]:
        """x (B,3,H,W) in [0,1] -> the pixels and the features (B,C_l,h_l,w_l): computed once for an original."""
        return [x.float(), *self.taps(x)]

    def distance(self, x: list[Tensor], y: list[Tensor]) -> Tensor:
        """The results of `features` for two pictures -> distances (B,); Eq. (5) to (8) of [Ding2020]."""
        whole = self.alpha.sum() + self.beta.sum()
        weights = zip(*(torch.split(one, list(self.channels), 1) for one in (self.alpha, self.beta)), strict=True)
        similarity = torch.zeros(len(x[0]), device=x[0].device)
        for f, g, (alpha, beta) in zip(x, y, weights, strict=True):
            mean_f, mean_g = f.mean((2, 3), keepdim=True), g.mean((2, 3), keepdim=True)
            variance = (f - mean_f).square().mean((2, 3), keepdim=True) + (g - mean_g).square().mean(
                (2, 3), keepdim=True
            )
            covariance = (f * g).mean((2, 3), keepdim=True) - mean_f * mean_g
            texture = (2 * mean_f * mean_g + 1e-6) / (mean_f.square() + mean_g.square() + 1e-6)
            structure = (2 * covariance + 1e-6) / (variance + 1e-6)
            similarity = similarity + ((alpha * texture + beta * structure) / whole).sum((1, 2, 3))
        return 1 - similarity

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y (B,3,H,W) in [0,1] -> distance (B,)."""
        return self.distance(self.features(x), self.features(y))


class FeatureDistance(nn.Module):
    """Mean squared difference of classifier features, summed over layers: the perceptual loss of MCM.

    MCM: VGG-16, relu2_2 + relu3_3, the default of "vgg". With "squeeze" (weights of 3 MB instead of 528) the layers
    default to those of like stride, 2 and 4 pixels; the two give different numbers.
    """

    MCM_LAYERS: ClassVar = {"vgg": ("relu2_2", "relu3_3"), "squeeze": ("relu1", "fire2"), "alex": ("relu1", "relu2")}

    def __init__(self, backbone: str = "vgg", layers: Sequence[str] = (), *, weights: str | Path | None = None) -> None:
        super().__init__()
        known(backbone)
        self.taps = Taps(backbone, layers or self.MCM_LAYERS[backbone], weights=weights)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y (B,3,H,W) in [0,1] -> (B,)."""
        pairs = zip(self.taps(x), self.taps(y), strict=True)
        return torch.stack([(f - g).square().mean(dim=(1, 2, 3)) for f, g in pairs]).sum(0)


def known(name: str) -> Backbone:
    """The backbone of that name, or UsageError."""
    if name not in BACKBONES:
        raise UsageError(f"no backbone {name!r}: choose {', '.join(BACKBONES)}")
    return BACKBONES[name]


def unit(f: Tensor) -> Tensor:
    """Features (B,C,h,w) at unit length over channels; zero stays zero, with a finite gradient."""
    return f * torch.rsqrt(f.square().sum(dim=1, keepdim=True) + 1e-20)


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load strictly; only the classifier's layers after the features may be extra."""
    own = module.state_dict()
    try:
        module.load_state_dict({key: value for key, value in state.items() if key in own})
    except RuntimeError as error:
        raise MissingWeights(f"{path}: not the expected weights ({' '.join(str(error).split())[:200]})") from None
