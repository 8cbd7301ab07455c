"""Published checkpoints, loaded into our models: SegPIC [Liu2024], MCM [Li2023] and masked autoencoders.

The authors' layout of SegPIC names every part otherwise than we do, holds eight blocks twice, fuses two of our
convolutions into one and carries entropy-coder buffers, which we do not need: our tables come from the weights.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from regio.errors import TORCH, NeedsTorch, UnsupportedFile

try:
    import torch
except ModuleNotFoundError as error:
    raise NeedsTorch(f"regio.interop needs {TORCH}") from error
from torch import Tensor
from torch.nn import functional as F

from regio.interop.reading import read_checkpoint
from regio.models.mcm import MCM, MCMConfig
from regio.models.mcm_transforms import PATCH, GlobalViT
from regio.models.paper_transforms import StridedTransform
from regio.models.segpic import SegPIC, SegPICConfig

__all__ = ["mae_from_official", "mcm_from_official", "read_checkpoint", "segpic_from_official"]


def __dir__() -> list[str]:
    return __all__


# Ours -> theirs, as regular expressions, applied one after the other to each parameter name.
_RENAMED = [
    (r"^regional\.analysis\.", "dyn_encoder."),
    (r"^regional\.synthesis\.", "dyn_decoder."),
    (r"^regional\.hyper\.", "dyn_enc_hyper."),
    (r"^regional\.(means|scales)\.", r"dyn_dec_hyper_\1."),
    (r"^(dyn_\w+)\.embed\.", r"\1.conv."),
    (r"^(dyn_\w+)\.(mix|steer)\.", r"\1.k_sp_gen.0."),
    (r"^(dyn_\w+)\.kernels\.1\.", r"\1.k_sp_gen.2."),
    (r"^(dyn_\w+)\.kernels\.3\.", r"\1.k_sp_gen.4."),
    (r"^(dyn_\w+)\.gate\.", r"\1.k_ch_gen."),
    (r"^(dyn_\w+)\.project\.", r"\1.conv_out."),
    (r"^regional\.shallow_coder\.analysis\.", "g_ab."),
    (r"^regional\.shallow_coder\.synthesis\.", "g_sb."),
    (r"^regional\.deep_coder\.analysis\.", "g_ab2."),
    (r"^regional\.deep_coder\.synthesis\.", "g_sb2."),
    (r"^regional\.shallow_prior\.", "entropy_bottleneck_b."),
    (r"^regional\.deep_prior\.", "entropy_bottleneck_b2."),
    (r"^z_prior\.", "entropy_bottleneck."),
    (r"^(entropy_bottleneck\w*)\.matrices\.", r"\1._matrix"),
    (r"^(entropy_bottleneck\w*)\.biases\.", r"\1._bias"),
    (r"^(entropy_bottleneck\w*)\.factors\.", r"\1._factor"),
    (r"^h_(mean|scale)\.", r"h_\1_s."),
    (r"^context\.means\.", "cc_mean_transforms."),
    (r"^context\.scales\.", "cc_scale_transforms."),
    (r"^context\.residuals\.", "lrp_transforms."),
    (r"^(g_[as]\d\.\d)\.conv\.", r"\1.conv_groups.0."),
    (r"^(g_[as]\d\.\d)\.norm\.", r"\1.conv_groups.1."),
    (r"^(g_[as]\d\.\d)\.affine\.inner\.", r"\1.scales_bias.0."),
    (r"^(g_[as]\d\.\d)\.affine\.outer\.", r"\1.scales_bias.2."),
    (r"^(g_[as]\d\.\d)\.trunk\.(\d)\.branch\.", r"\1.conv_a.\2.conv."),
    (r"^(g_[as]\d\.\d)\.attention\.bias$", r"\1.conv_b.0.attn.relative_position_bias_table"),
    (r"^(g_[as]\d\.\d)\.attention\.mix\.", r"\1.conv_b.0.attn.proj."),
    (r"^(g_[as]\d\.\d)\.attention\.qkv\.", r"\1.conv_b.0.attn.qkv."),
    (r"^(g_[as]\d\.\d)\.gate\.0\.branch\.", r"\1.conv_b.1.conv."),
    (r"^(g_[as]\d\.\d)\.gate\.1\.branch\.", r"\1.conv_b.2.conv."),
    (r"^(g_[as]\d\.\d)\.gate\.2\.branch\.", r"\1.conv_b.3.conv."),
    (r"^(g_[as]\d\.\d)\.gate\.3\.", r"\1.conv_b.4."),
]
# The eight strided blocks stand in these lists as well; either copy will do.
_ALIASES = {
    "basic_E.0.": "g_a1.0.",
    "basic_E.1.": "g_a1.1.",
    "basic_E.2.": "g_a2.0.",
    "basic_E.3.": "g_a2.1.",
    "basic_D.0.": "g_s0.1.",
    "basic_D.1.": "g_s0.2.",
    "basic_D.2.": "g_s1.1.",
    "basic_D.3.": "g_s1.2.",
}
# Constants and entropy-coder tables, present or not, empty or not.
_BUFFERS = re.compile(
    r"(_reparam\.(pedestal|lower_bound\.bound)|\.relative_position_index|\.attn_mask|^gaussian_conditional\..*"
    r"|^entropy_bottleneck\w*\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_lower_bound\.bound))$"
)
_RENAMED_MCM = [
    (r"^stem\.proj\.", "patch_embed.proj."),
    (r"^(stem|encoder|decoder)\.", ""),
]
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of colours in masked autoencoders
_SLICE = r"cc_mean_transforms\.(\d+)\.0\.weight$"
_HYPER_STRIDES = ((1, 1, 2, 1, 2), (1, 2, 1, 2, 1))  # of the hyper analysis and the hyper syntheses


def segpic_from_official(state_dict: Mapping[str, Any]) -> SegPIC:
    """The authors' SegPIC checkpoint -> our model, in evaluation mode, float32, on the CPU.

    Takes the state dict or the checkpoint around it (key "state_dict"), names with or without DataParallel's "module.",
    either copy of the blocks held twice, and entropy-coder buffers empty, filled or missing. Sizes are read off the
    tensors. Raises UnsupportedFile, with one line, for missing, unknown or misshapen entries.
    """
    theirs = _canonical(state_dict)
    with torch.device("meta"):
        model = SegPIC(_config(theirs))
    ours: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, parameter in model.named_parameters():
        source = _official_name(name)
        used.add(source)
        ours[name] = _fitting(source, _part(name, _entry(theirs, source), parameter), parameter)
    unknown = sorted(set(theirs) - used)
    if unknown:
        raise UnsupportedFile(
            f"not a checkpoint of SegPIC: {len(unknown)} unknown entries, the first is {unknown[0]!r}"
        )
    model = SegPIC(model.config)  # again, with storage and computed buffers
    model.load_state_dict(ours, strict=False)
    return model.eval()


def _canonical(state_dict: Mapping[str, Any], what: str = "SegPIC", inside: str = "state_dict") -> dict[str, Tensor]:
    """Their tensors under one name each, without prefixes, copies and buffers."""
    inner = state_dict.get(inside, state_dict)
    if not isinstance(inner, Mapping):
        raise UnsupportedFile(f"not a checkpoint of {what}: its {inside} is not a dictionary")
    copies, tensors = {}, {}
    for key, value in inner.items():
        name = str(key).removeprefix("module.")
        if _BUFFERS.search(name):
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise UnsupportedFile(f"not a checkpoint of {what}: entry {name!r} is not a tensor of real numbers")
        alias = _ALIASES.get(name[: len("basic_E.0.")])
        if alias:
            copies[alias + name[len("basic_E.0.") :]] = value
        else:
            tensors[name] = value
    found = copies | tensors
    _refuse_expanded(found.values(), what)
    return found


def _refuse_expanded(tensors: Iterable[Tensor], what: str) -> None:
    """A tensor may claim any size with strides of 0; what Regio allocates must follow from what the file holds."""
    claimed, stored = 0, {}
    for tensor in tensors:
        if tensor.layout is not torch.strided:
            raise UnsupportedFile(f"not a checkpoint of {what}: it holds sparse tensors")
        storage = tensor.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes()
        claimed += tensor.numel() * tensor.element_size()
    if claimed > 4 * sum(stored.values()):  # blocks that are held twice share their storage
        raise UnsupportedFile(f"not a checkpoint of {what}: its tensors claim more numbers than the file holds")


def _official_name(name: str) -> str:
    for pattern, theirs in _RENAMED:
        name = re.sub(pattern, theirs, name)
    return name


def _entry(tensors: Mapping[str, Tensor], name: str, what: str = "SegPIC") -> Tensor:
    if name not in tensors:
        raise UnsupportedFile(f"not a checkpoint of {what}: entry {name!r} is missing")
    return tensors[name]


def _part(name: str, value: Tensor, parameter: Tensor) -> Tensor:
    """Their first kernel-net convolution takes [features, prototypes]: `mix` is its first part, `steer` its second."""
    if name.endswith(".mix.weight") and name.startswith("regional."):
        return value[:, : parameter.shape[1]]
    if name.endswith(".steer.weight"):
        return value[:, value.shape[1] - parameter.shape[1] :]
    return value


def _fitting(name: str, value: Tensor, parameter: Tensor, what: str = "SegPIC") -> Tensor:
    if value.shape != parameter.shape:
        raise UnsupportedFile(
            f"not a checkpoint of {what}: entry {name!r} has shape {tuple(value.shape)}, "
            f"expected {tuple(parameter.shape)}"
        )
    value = value.detach().to("cpu", torch.float32)
    if not value.isfinite().all():
        raise UnsupportedFile(f"damaged checkpoint: entry {name!r} holds values that are not numbers")
    return value


def _config(tensors: Mapping[str, Tensor]) -> SegPICConfig:
    """The sizes of their model, read off its tensors."""

    def width(name: str, axis: int = 0) -> int:
        return _width(tensors, name, axis, "SegPIC")

    latent = width("g_a2.1.conv_groups.0")
    return SegPICConfig(
        transform=StridedTransform(tail=width("g_s1.2.conv_groups.0", axis=1)),
        shallow=width("g_a1.0.conv_groups.0"),
        latent=latent,
        shallow_codes=(width("g_ab.0", axis=1), *(width(f"g_ab.{k}") for k in (0, 2, 4))),
        shallow_decode=(width("g_sb.0", axis=1), *(width(f"g_sb.{k}") for k in (0, 2, 4))),
        deep_codes=(width("g_ab2.0", axis=1), *(width(f"g_ab2.{k}") for k in (0, 2, 4))),
        deep_decode=(width("g_sb2.0", axis=1), *(width(f"g_sb2.{k}") for k in (0, 2, 4))),
        **_entropy_sizes(width, latent, _count(tensors, _SLICE), "SegPIC"),
    )


def _entropy_sizes(width: Callable[..., int], latent: int, slices: int, what: str) -> dict[str, Any]:
    """The sizes of hyperprior and context, which their SegPIC and MCM have alike."""
    down = [width(f"h_a.{k}") for k in (0, 2, 4, 6, 8)]
    up = [width(f"h_mean_s.{k}") for k in ("0", "2.0", "4", "6.0", "8")]
    up = [channels // stride**2 for channels, stride in zip(up, _HYPER_STRIDES[1], strict=True)]
    if not slices or latent % slices:
        raise UnsupportedFile(f"not a checkpoint of {what}: {latent} latent channels in {slices} slices")
    seen = width(f"cc_mean_transforms.{slices - 1}.0", axis=1) - up[-1]
    return {
        "hyper_down": tuple(zip(down, _HYPER_STRIDES[0], strict=True)),
        "hyper_up": tuple(zip(up, _HYPER_STRIDES[1], strict=True)),
        "slices": slices,
        "support": max(seen, 0) * slices // latent,
        "context": tuple(width(f"cc_mean_transforms.0.{k}") for k in (0, 2, 4, 6)),
    }


def _width(tensors: Mapping[str, Tensor], name: str, axis: int, what: str) -> int:
    value = _entry(tensors, f"{name}.weight", what)
    if value.dim() < 2:
        raise UnsupportedFile(f"not a checkpoint of {what}: entry '{name}.weight' is not a matrix")
    return value.shape[axis]


def mcm_from_official(state_dict: Mapping[str, Any], visible_tokens: int = 144) -> MCM:
    """The authors' MCM checkpoint -> our model, in evaluation mode, float32, on the CPU.

    Takes the state dict or the checkpoint around it (key "model"), with or without the frozen VGG-16 and entropy-coder
    buffers. visible_tokens: how many of the 256 patches are sent where `keep` does not say; no checkpoint knows it.
    Raises UnsupportedFile, with one line, for missing, unknown or misshapen entries; ValueError for visible_tokens
    outside 1 ... 256.
    """
    theirs = {k: v for k, v in _canonical(state_dict, "MCM", "model").items() if not k.startswith("vgg.")}
    config = _mcm_config(theirs, visible_tokens)
    with torch.device("meta"):
        wanted = MCM(config).state_dict()
    sources = {name: _official_mcm_name(name) for name in wanted}
    ours = {n: _fitting(s, _entry(theirs, s, "MCM"), wanted[n], "MCM") for n, s in sources.items()}
    unknown = sorted(set(theirs) - set(sources.values()))
    if unknown:
        raise UnsupportedFile(f"not a checkpoint of MCM: {len(unknown)} unknown entries, the first is {unknown[0]!r}")
    model = MCM(config)
    model.load_state_dict(ours)
    return model.eval()


def mae_from_official(state_dict: Mapping[str, Any]) -> MCM:
    """A public masked autoencoder (He et al. 2022) -> an MCM that starts from its transformer; the codec is fresh.

    Takes the state dict or the checkpoint around it (key "model"), the encoder alone or with its decoder. Sizes are
    read off the tensors. Raises UnsupportedFile, with one line.

    Departures from [Li2023], which loads the encoder as it is: the autoencoder's normalisation of colours is folded
    into its first (and, with a decoder, its last) linear map, so that pictures in [0,1] mean to it what they did in
    training. The position table of 14x14 patches is interpolated to 16x16 by bicubic interpolation, as the authors
    do; that of the decoder is computed anew.
    """
    theirs = _canonical(state_dict, "MAE", "model")
    width, depth = _width(theirs, "patch_embed.proj", 0, "MAE"), _count(theirs, r"blocks\.(\d+)\.norm1\.weight")
    decodes = "decoder_embed.weight" in theirs
    vision = GlobalViT(width=width, depth=depth, heads=max(1, width // 64))
    if decodes:
        inner = _width(theirs, "decoder_embed", 0, "MAE")
        deep = _count(theirs, r"decoder_blocks\.(\d+)\.norm1\.weight")
        vision = replace(vision, decoder_width=inner, decoder_depth=deep, decoder_heads=max(1, inner // 32))
    table = _resampled(_entry(theirs, "pos_embed", "MAE"), vision.grid)
    synthesis = (*MCMConfig().synthesis[:-1], width)
    model = MCM(MCMConfig(vision=vision, synthesis=synthesis)).eval()
    wanted = {f"encoder.{k}": v for k, v in model.encoder.state_dict().items()}
    wanted |= {f"stem.{k}": v for k, v in model.stem.state_dict().items()}
    if decodes:
        wanted |= {f"decoder.{k}": v for k, v in model.decoder.state_dict().items() if k != "decoder_pos_embed"}
    sources = {name: _official_mcm_name(name) for name in wanted}
    found = theirs | {"pos_embed": table}
    ours = {n: _fitting(s, _entry(found, s, "MAE"), wanted[n], "MAE").clone() for n, s in sources.items()}
    _fold_colours(ours)
    model.load_state_dict(ours, strict=False)
    return model


def _fold_colours(ours: dict[str, Tensor]) -> None:
    """Let the first and the last linear map work on colours in [0,1] instead of normalised ones."""
    mean, deviation = torch.tensor(_IMAGENET[0]), torch.tensor(_IMAGENET[1])
    weight = ours["stem.proj.weight"] / deviation[:, None, None]
    ours["stem.proj.bias"] -= (weight * mean[:, None, None]).sum(dim=(1, 2, 3))
    ours["stem.proj.weight"] = weight
    if "decoder.decoder_pred.weight" in ours:  # its outputs are rows, columns, colours
        scale, shift = deviation.repeat(PATCH**2), mean.repeat(PATCH**2)
        ours["decoder.decoder_pred.weight"] *= scale[:, None]
        ours["decoder.decoder_pred.bias"] = ours["decoder.decoder_pred.bias"] * scale + shift


def _resampled(table: Tensor, side: int) -> Tensor:
    """Position table (1,1+n*n,D) -> (1,1+side*side,D), the class token's entry kept."""
    before = round((table.shape[1] - 1) ** 0.5) if table.dim() == 3 else 0
    if before < 1 or before**2 + 1 != table.shape[1]:
        raise UnsupportedFile(f"not a checkpoint of MAE: entry 'pos_embed' has shape {tuple(table.shape)}")
    if before == side:
        return table
    grid = table[:, 1:].float().mT.reshape(1, -1, before, before)
    fine = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1].float(), fine.flatten(2).mT], dim=1)


def _official_mcm_name(name: str) -> str:
    for pattern, theirs in _RENAMED_MCM:
        name = re.sub(pattern, theirs, name)
    return _official_name(name)


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the highest number in names that begin so."""
    return max((int(m[1]) + 1 for name in tensors if (m := re.match(pattern, name))), default=0)


def _mcm_config(tensors: Mapping[str, Tensor], visible_tokens: int) -> MCMConfig:
    """The sizes of their model, read off its tensors; numbers of heads are theirs for these widths."""

    def width(name: str, axis: int = 0) -> int:
        return _width(tensors, name, axis, "MCM")

    grid = round((_entry(tensors, "pos_embed", "MCM").shape[1] - 1) ** 0.5)
    if not 1 <= visible_tokens <= grid * grid:
        raise ValueError(f"visible_tokens={visible_tokens}: must be 1 to {grid * grid}")
    vision = GlobalViT(
        width=width("patch_embed.proj"),
        depth=_count(tensors, r"blocks\.(\d+)\.norm1\.weight"),
        heads=max(1, width("patch_embed.proj") // 64),
        decoder_width=width("decoder_embed"),
        decoder_depth=_count(tensors, r"decoder_blocks\.(\d+)\.norm1\.weight"),
        decoder_heads=max(1, width("decoder_embed") // 32),
        grid=grid,
    )
    return MCMConfig(
        vision=vision,
        analysis=tuple(width(f"g_a.{k}") for k in (0, 2, 4, 6)),
        synthesis=tuple(width(f"g_s.{k}", axis=1) for k in (0, 2, 4, 6)),
        **_entropy_sizes(width, width("g_a.6"), _count(tensors, _SLICE), "MCM"),
        kept=(round(1000 * visible_tokens / grid**2),),
    )
