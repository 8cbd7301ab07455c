"""Vision transformer blocks and fixed positions, over a list of tokens or inside the windows of a token grid."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RELAXATIONS = 3  # on each grid, so that the surface reaches known cells without a step
HIDDEN = -1e4  # logit of a token that must not be seen; finite, so that a window of such tokens stays a number


def sin_cos_positions(width: int, rows: int, columns: int) -> Tensor:
    """Fixed 2-D positions (rows*columns, width), float64, raster order, as in masked autoencoders (He et al. 2022).

    The first half of the channels encodes the column, the second the row; in each half sines come before cosines, with
    frequencies 10000**(-k/(width/4)). ValueError unless width is a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"positions of width {width}: must be a multiple of 4")
    frequency = 1.0 / 10000.0 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4.0))

    def encode(place: Tensor) -> Tensor:
        angle = place.double()[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([encode(column.reshape(-1)), encode(row.reshape(-1))], dim=1)


class Attention(nn.Module):
    """Multi-head self-attention with biased queries, keys and values (ViT, Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} does not split into {heads} equal heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """tokens (B,N,D) -> (B,N,D); bias, broadcast to (B,heads,N,N), is added to the logits."""
        batch, count, width = tokens.shape
        q, k, v = self.qkv(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, None if bias is None else bias.to(q.dtype))
        mixed: Tensor = self.proj(seen.transpose(1, 2).reshape(batch, count, width))
        return mixed


class MLP(nn.Module):
    """Linear D -> 4D, GELU, linear back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (...,D) -> (...,D)."""
        y: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return y


class Block(nn.Module):
    """Transformer block with the norms first: x + attention(norm x), then x + mlp(norm x); LayerNorm eps 1e-6."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B,N,D) -> (B,N,D)."""
        tokens = tokens + self.attn(self.norm1(tokens))
        y: Tensor = tokens + self.mlp(self.norm2(tokens))
        return y


class WindowBlock(Block):
    """A block whose attention stays inside windows of a token grid of any size (ours).

    Every other block of a stack shifts its windows by half their side, so that no border stays one. Windows that leave
    the grid are cut. Positions are the fixed sines and cosines of the place inside the window, added to what attention
    sees; logits fall with distance by a learned slope per head, which makes a fresh block look near first.
    """

    positions: Tensor
    distance: Tensor

    def __init__(self, width: int, heads: int, window: int, shifted: bool) -> None:
        super().__init__(width, heads)
        self.window, self.shift = window, window // 2 if shifted else 0
        self.slope = nn.Parameter(torch.exp2(torch.linspace(0, -4, heads)))
        self.register_buffer("positions", sin_cos_positions(width, window, window).float(), persistent=False)
        row, column = torch.arange(window * window) // window, torch.arange(window * window) % window
        apart = torch.hypot((row[:, None] - row).float(), (column[:, None] - column).float())
        self.register_buffer("distance", apart, persistent=False)

    def on_grid(self, tokens: Tensor, visible: Tensor | None) -> Tensor:
        """tokens (B,h,w,D) -> (B,h,w,D). visible (B,h,w) bool: tokens that may be looked at; None: all."""
        batch, height, width, channels = tokens.shape
        w, before = self.window, (self.window - self.shift) % self.window
        pads = (before, -(before + width) % w, before, -(before + height) % w)
        inside = torch.ones(batch, height, width, dtype=torch.bool, device=tokens.device)
        inside = inside if visible is None else visible
        cut = _windows(F.pad(self.norm1(tokens), (0, 0, *pads)), w)  # (windows, w*w, D)
        seen = _windows(F.pad(inside, pads)[..., None], w)[..., 0]  # (windows, w*w)
        bias = -self.slope.abs()[:, None, None] * self.distance  # (heads, w*w, w*w)
        bias = bias + torch.where(seen, 0.0, HIDDEN)[:, None, None, :]  # (windows, heads, w*w, w*w)
        mixed = self.attn(cut + self.positions, bias)
        size = (height + pads[2] + pads[3], width + pads[0] + pads[1])
        mixed = _grid(mixed, w, batch, size)[:, pads[2] : pads[2] + height, pads[0] : pads[0] + width]
        tokens = tokens + mixed
        y: Tensor = tokens + self.mlp(self.norm2(tokens))
        assert y.shape == (batch, height, width, channels)
        return y


def _windows(grid: Tensor, window: int) -> Tensor:
    """(B,H,W,C), sides multiples of the window -> (B*windows, window**2, C)."""
    batch, height, width, channels = grid.shape
    cut = grid.reshape(batch, height // window, window, width // window, window, channels)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def _grid(windows: Tensor, window: int, batch: int, size: tuple[int, int]) -> Tensor:
    """The way back: (B*windows, window**2, C) -> (B,H,W,C)."""
    rows, columns = size[0] // window, size[1] // window
    cut = windows.reshape(batch, rows, columns, window, window, -1)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(batch, *size, -1)


def fill_holes(values: Tensor, known: Tensor) -> Tensor:
    """A smooth surface through what is known: pull to ever coarser grids, push back what is missing, and relax.

    values (B,C,h,w); known (B,1,h,w), 1 or 0. Known cells keep their values; where nothing is known at all, zero. Every
    step is a mean, so the surface stays between the smallest and the largest value.
    """
    if max(values.shape[2:]) == 1:
        return values * known
    height, width = values.shape[2:]
    pads = (0, width % 2, 0, height % 2)
    mass = F.avg_pool2d(F.pad(known, pads), 2)
    mean = F.avg_pool2d(F.pad(values * known, pads), 2) / mass.clamp_min(1e-6)
    coarse = fill_holes(mean, (mass > 0).to(known.dtype))
    fine = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[:, :, :height, :width]
    for _ in range(RELAXATIONS):
        fine = torch.lerp(F.avg_pool2d(F.pad(fine, (1, 1, 1, 1), mode="replicate"), 3, stride=1), values, known)
    return fine
