"""MCM's transforms: pixels to tokens of kept patches, and tokens of all patches to pixels.

    x ── stem ──► features of all patches ── encoder ──► tokens of the kept ones          (entropy model in between)
    x̂ ◄── head ── features of all patches ◄── decoder ◄── tokens of the kept ones, and where they lie

`GlobalViT` is [Li2023]'s: linear patches, absolute positions, class token, attention from everywhere to everywhere,
256x256 pixels only. `WindowViT` is ours: for pictures of any size.
"""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.models.mcm_cells import mask_of
from regio.models.patch_transforms import FEATURE_SCALE, PatchTransform
from regio.models.transforms import Transforms
from regio.nn.conv import zeroed
from regio.nn.patch import block_transform
from regio.nn.vit import Block, WindowBlock, fill_holes, sin_cos_positions

PATCH = 16
COLOURS = 3


class Parts(NamedTuple):
    """The four parts; `mask` (B,1,h,w) is 1 where a patch is kept."""

    stem: nn.Module  # x (B,3,H,W) -> features (B,F,h,w)
    encoder: nn.Module  # features, kept ids (B,K) -> tokens (B,D,K)
    decoder: nn.Module  # tokens where they lie (B,D,h,w), mask, rate -> features (B,F',h,w)
    head: nn.Module  # features, rate -> x_hat (B,3,H,W)
    spread: Tensor | None = None  # (D,): about how large fresh tokens are, where that is known


class LinearStem(nn.Module):
    """16x16 pixels to a token by one linear map, plus the token's fixed position."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(COLOURS, width, PATCH, stride=PATCH)
        positions = sin_cos_positions(width, grid, grid).float()
        # the table of published checkpoints may be an interpolated one, so it belongs to the weights
        self.register_buffer("pos_embed", torch.cat([positions.new_zeros(1, width), positions])[None])

    def forward(self, x: Tensor) -> Tensor:
        """x (B,3,H,W) -> (B,D,h,w). ValueError for a picture of another size than the table's."""
        tokens = self.proj(x)
        table = self.pos_embed[:, 1:].mT.reshape(1, tokens.shape[1], -1)
        side = round(table.shape[2] ** 0.5)
        if tokens.shape[2:] != (side, side):
            raise ValueError(f"pictures must be {side * PATCH} x {side * PATCH} pixels, not of shape {tuple(x.shape)}")
        y: Tensor = tokens + table.view(1, -1, side, side)
        return y

    pos_embed: Tensor


class GlobalEncoder(nn.Module):
    """[Li2023]'s encoder, that of masked autoencoders: kept tokens and a class token through the blocks."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.cls_token, std=0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, features: Tensor, ids: Tensor) -> Tensor:
        """features (B,D,h,w), ids (B,K) -> (B,D,K), in the order of ids. The class token's own position is zero."""
        kept = features.flatten(2).gather(2, ids[:, None].expand(-1, features.shape[1], -1)).mT
        tokens = torch.cat([self.cls_token.expand(len(kept), -1, -1), kept], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        y: Tensor = self.norm(tokens)[:, 1:].mT
        return y


class GlobalDecoder(nn.Module):
    """[Li2023]'s decoder: a learned token for each patch not sent, blocks over all patches, one linear layer."""

    decoder_pos_embed: Tensor

    def __init__(self, before: int, width: int, depth: int, heads: int, grid: int) -> None:
        super().__init__()
        self.decoder_embed = nn.Linear(before, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.mask_token, std=0.02)
        positions = sin_cos_positions(width, grid, grid).float()
        self.register_buffer("decoder_pos_embed", torch.cat([positions.new_zeros(1, width), positions])[None])
        self.decoder_blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_pred = nn.Linear(width, COLOURS * PATCH**2)

    def forward(self, tokens: Tensor, mask: Tensor, rate: Tensor | None) -> Tensor:
        """tokens (B,D,h,w), mask (B,1,h,w) -> pixels of each patch (B,768,h,w)."""
        size = tokens.shape[2:]
        sent = self.decoder_embed(tokens.flatten(2).mT)
        every = torch.where(mask.flatten(2).mT > 0, sent, self.mask_token.to(sent.dtype))
        every = every + self.decoder_pos_embed[:, 1:]
        for block in self.decoder_blocks:
            every = block(every)
        pixels: Tensor = self.decoder_pred(self.decoder_norm(every)).mT
        return pixels.reshape(*pixels.shape[:2], *size)


class Unpatchify(nn.Module):
    """Rearranges; a patch's 768 numbers are rows, columns, colours, the colour running fastest."""

    def forward(self, pixels: Tensor, rate: Tensor | None) -> Tensor:
        """pixels (B,768,h,w) -> (B,3,16h,16w)."""
        batch, _, height, width = pixels.shape
        cut = pixels.reshape(batch, PATCH, PATCH, COLOURS, height, width).permute(0, 3, 4, 1, 5, 2)
        return cut.reshape(batch, COLOURS, height * PATCH, width * PATCH)


@dataclass(frozen=True, kw_only=True)
class GlobalViT:
    """The numbers of [Li2023]'s transformer: ViT-B and the decoder of masked autoencoders."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    grid: int = 16
    halo: ClassVar[int] = 16

    @property
    def tokens(self) -> int:
        """The width of a token."""
        return self.width

    def build(self, rate_points: int) -> Parts:
        """Make the parts."""
        return Parts(
            LinearStem(self.width, self.grid),
            GlobalEncoder(self.width, self.depth, self.heads),
            GlobalDecoder(self.width, self.decoder_width, self.decoder_depth, self.decoder_heads, self.grid),
            Unpatchify(),
        )


class WindowEncoder(nn.Module):
    """Blocks over the grid in which only kept tokens are seen; what they find is added to the kept features."""

    def __init__(self, features: int, width: int, depth: int, heads: int, window: int) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.blocks = nn.ModuleList(WindowBlock(width, heads, window, k % 2 == 1) for k in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.out = zeroed(nn.Linear(width, features))

    def forward(self, features: Tensor, ids: Tensor) -> Tensor:
        """features (B,F,h,w), ids (B,K) -> (B,F,K); fresh: the features themselves."""
        _, channels, height, width = features.shape
        kept = mask_of(ids, (height, width))
        grid = self.embed(features.permute(0, 2, 3, 1))
        for block in self.blocks:
            assert isinstance(block, WindowBlock)
            grid = block.on_grid(grid, kept)
        found = grid.flatten(1, 2).gather(1, ids[:, :, None].expand(-1, -1, grid.shape[3]))
        mine = features.flatten(2).gather(2, ids[:, None].expand(-1, channels, -1))
        y: Tensor = mine + self.out(self.norm(found)).mT
        return y


class WindowDecoder(nn.Module):
    """Patches that were not sent start as a smooth surface through the colours of those that were; blocks refine all.

    The mask token of [Li2023] says nothing about where a patch lies; here it is added to that surface, so that a
    fresh model paints smoothly and training begins with what smoothness gets wrong.
    """

    def __init__(self, features: int, width: int, depth: int, heads: int, window: int) -> None:
        super().__init__()
        self.colours = nn.Linear(features, COLOURS)
        self.smooth = nn.Conv2d(COLOURS, features, 3, padding=1, padding_mode="replicate")
        _start_smooth(self.colours, self.smooth, features)
        self.embed = nn.Linear(features, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.mask_token, std=0.02)
        self.blocks = nn.ModuleList(WindowBlock(width, heads, window, k % 2 == 1) for k in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.out = zeroed(nn.Linear(width, features))

    def forward(self, tokens: Tensor, mask: Tensor, rate: Tensor | None) -> Tensor:
        """tokens (B,F,h,w), mask (B,1,h,w) -> features (B,F,h,w)."""
        with torch.autocast(tokens.device.type, enabled=False):
            tokens, mask = tokens.float(), mask.float()
            colours = self.colours(tokens.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            every = torch.lerp(self.smooth(fill_holes(colours, mask)), tokens, mask)
        grid = self.embed(every.permute(0, 2, 3, 1)) + (1 - mask.permute(0, 2, 3, 1)) * self.mask_token
        for block in self.blocks:
            assert isinstance(block, WindowBlock)
            grid = block.on_grid(grid, None)
        y: Tensor = every + self.out(self.norm(grid)).permute(0, 3, 1, 2)
        return y


class _Stem(nn.Module):
    def __init__(self, parts: Transforms) -> None:
        super().__init__()
        self.g_a1, self.g_a2 = parts.g_a1, parts.g_a2

    def forward(self, x: Tensor) -> Tensor:
        """See Parts."""
        y: Tensor = self.g_a2(self.g_a1(x))
        return y


class _Head(nn.Module):
    def __init__(self, parts: Transforms) -> None:
        super().__init__()
        self.g_s0, self.g_s1 = parts.g_s0, parts.g_s1

    def forward(self, features: Tensor, rate: Tensor | None) -> Tensor:
        """See Parts."""
        x_hat: Tensor = self.g_s1(self.g_s0(features, rate), rate)
        return x_hat


@dataclass(frozen=True, kw_only=True)
class WindowViT:
    """The numbers of our transformer: the patch transforms of `segpic-xs` outside, narrow blocks in windows inside."""

    transform: PatchTransform = field(default_factory=PatchTransform)
    shallow: int = 192
    features: int = 320
    width: int = 192
    depth: int = 2
    heads: int = 3
    decoder_depth: int = 4
    window: int = 16

    @property
    def halo(self) -> int:
        """How many patches away something can change a pixel much: half a window beyond what convolutions see."""
        return self.transform.halo(False) + self.window // 2

    @property
    def tokens(self) -> int:
        """The width of a token."""
        return self.features

    def build(self, rate_points: int) -> Parts:
        """Make the parts."""
        parts = self.transform.build(self.shallow, self.features, True, rate_points)
        numbers = (self.features, self.width)
        return Parts(
            _Stem(parts),
            WindowEncoder(*numbers, self.depth, self.heads, self.window),
            WindowDecoder(*numbers, self.decoder_depth, self.heads, self.window),
            _Head(parts),
            parts.spread,
        )


@torch.no_grad()
def _start_smooth(colours: nn.Linear, smooth: nn.Conv2d, features: int) -> None:
    """Start as: mean colour of each patch, then the block transform of the bilinear surface through these means."""
    basis = F.pixel_shuffle(block_transform(PATCH, features)[:, :, None, None], PATCH) * FEATURE_SCALE  # (F,3,16,16)
    nn.init.zeros_(colours.bias)
    colours.weight.copy_(basis.sum(dim=(2, 3)).T / (FEATURE_SCALE * PATCH) ** 2)  # orthonormal: transpose goes back
    neighbours = torch.eye(9).view(9, 1, 3, 3)
    surface = F.interpolate(neighbours, scale_factor=PATCH, mode="bilinear", align_corners=False)
    middle = surface[:, 0, PATCH : 2 * PATCH, PATCH : 2 * PATCH]  # (9,16,16)
    smooth.weight.copy_(torch.einsum("fcyx,nyx->fcn", basis, middle).view(features, COLOURS, 3, 3))
    assert smooth.bias is not None
    nn.init.zeros_(smooth.bias)
