"""Figures that the three papers print, as they print them, and the points that the authors of SegPIC published.

[Liu2024] Liu et al., "Region-Adaptive Transform with Segmentation Prior for Image Compression", 2024 (SegPIC).
[ROI2022] "ROI Image Codec Optimized for Visual Quality", 2022.
[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023 (MCM).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from regio.evaluation.bd_rate import Curve

SEGPIC_KODAK = Curve(
    "segpic (published)", (0.120, 0.194, 0.288, 0.439, 0.633, 0.861), (29.24, 30.76, 32.25, 34.23, 36.01, 37.81)
)
SEGPIC_CLIC = Curve(
    "segpic (published)", (0.091, 0.141, 0.207, 0.315, 0.458, 0.636), (31.11, 32.52, 33.83, 35.52, 37.04, 38.55)
)
PUBLISHED_CURVES = {"Kodak": SEGPIC_KODAK, "CLIC": SEGPIC_CLIC}
"""Rate in bpp, PSNR in dB: the authors' own points, by data set."""


@dataclass(frozen=True)
class PaperTable:
    """A table as printed: cells are text, so that nothing is rounded a second time. A dash: the cell is empty."""

    name: str
    title: str
    family: str  # of the models that stand beside it
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    curves: dict[str, str] = field(default_factory=dict)
    """Row -> the field's result file that holds a curve of the same method."""
    models: dict[str, str] = field(default_factory=dict)
    """Row -> our preset of the same network."""
    sets: tuple[str, ...] = ()
    """The data sets that it has figures of, where there are several; the first is the default."""


SEGPIC_MODELS = {
    "Ours": "segpic",
    "Ours-S": "segpic-s",
    "BL-S": "baseline-s",
    "Zou2022 (BL)": "wacnn",
    "BL w/ SAL": "wacnn-sal",
    "BL w/ RAT": "wacnn-rat",
    "ChARM": "charm",
}

_TABLES = (
    PaperTable(
        name="segpic-1",
        title="[Liu2024] Table 1: BD-rate in PSNR, %, anchor VTM-17.0",
        family="segpic",
        header=("model", "Kodak", "CLIC"),
        rows=(
            ("BPG", "+31.5", "+48.1"),
            ("Cheng2020", "+7.46", "+11.7"),
            ("Agustsson2023", "+6.15", "–"),
            ("ChARM", "+3.58", "–"),
            ("Wang2022", "+1.10", "-0.99"),
            ("BL-S", "+15.5", "+16.6"),
            ("Ours-S", "+3.87", "+5.26"),
            ("EVC", "+0.27", "–"),
            ("Feng2023", "-2.21", "–"),
            ("ELIC", "-3.08", "-3.58"),
            ("Contextformer", "-5.38", "–"),
            ("Pan2022", "-5.42", "–"),
            ("Zou2022 (BL)", "-2.89", "+0.14"),
            ("Ours", "-8.18", "-8.26"),
        ),
        notes=(
            "A row with one number is read as Kodak.",
            "The paper's anchor is its own run of VTM-17.0; recomputed figures use the VTM curve of --references, so "
            "the two columns differ and only figures of one column compare.",
        ),
        curves={
            "BPG": "bpg_444_x265_ycbcr",
            "Cheng2020": "compressai-cheng2020-attn_mse_cuda",
            "ChARM": "paper-minnen2020-cc10_mse",
            "ELIC": "paper-elic2022_mse",
            "Ours": "segpic",
        },
        models=SEGPIC_MODELS,
        sets=("Kodak", "CLIC"),
    ),
    PaperTable(
        name="segpic-2",
        title="[Liu2024] Table 2: ablation, BD-rate in PSNR, %, anchor Zou2022 (BL); times on Kodak, one RTX 3090",
        family="segpic",
        header=("model", "params", "Kodak", "CLIC", "encode", "decode"),
        rows=(
            ("Zou2022 (BL)", "75.2 M", "0.0", "0.0", "120 ms", "124 ms"),
            ("BL w/ SAL", "76.7 M", "-2.12", "-2.93", "–", "–"),
            ("BL w/ RAT", "82.0 M", "-2.75", "-4.35", "–", "–"),
            ("Ours", "83.5 M", "-5.45", "-8.50", "142 ms", "130 ms"),
            ("ChARM", "48.8 M", "+6.52", "–", "107 ms", "108 ms"),
            ("BL-S", "21.7 M", "+19.0", "+16.3", "–", "–"),
            ("Ours-S", "29.2 M", "+6.96", "+5.11", "99 ms", "46 ms"),
        ),
        notes=("ChARM's one BD-rate is read as Kodak's.", "Our parameters are counted from the presets of that name."),
        models=SEGPIC_MODELS,
        sets=("Kodak", "CLIC"),
    ),
    PaperTable(
        name="segpic-3",
        title="[Liu2024] Table 3: masks and grids, BD-rate in PSNR, %, on 20 pictures of COCO",
        family="segpic",
        header=("column", "BD-rate"),
        rows=(("1", "-0.11"), ("2", "+0.21"), ("3 (default)", "0"), ("4", "+0.46"), ("5", "+2.10")),
        notes=(
            "We could read only the first column heading, 'train w/ masks' and 'test w/ masks'; the text "
            "says that the last is trained without masks. The default is a 4 x 4 grid.",
        ),
    ),
    PaperTable(
        name="roi-1",
        title="[ROI2022] Table 1: CLIC 2022 validation pictures",
        family="roi",
        header=("bpp", "PSNR", "MS-SSIM", "LPIPS", "ROI-PSNR"),
        rows=(
            ("0.106", "30.06", "0.952", "0.055", "29.29"),
            ("0.195", "31.76", "0.971", "0.032", "31.19"),
            ("0.293", "32.89", "0.979", "0.021", "33.16"),
        ),
        notes=(
            "The paper does not name the backbone of LPIPS.",
            "Its region of interest is a saliency map's.",
            "No weights of its network are bundled: `roi-xs` is the network of `segpic-xs`, trained for eyes.",
        ),
    ),
    PaperTable(
        name="mcm-1",
        title="[Li2023] Table 1: BD-rate in LPIPS, anchor VVC (VTM 10.0, intra)",
        family="mcm",
        header=("method", "COCO", "CelebAMask-HQ"),
        rows=(
            ("BPG", "26.56%", "26.39%"),
            ("Bai et al.", "65.94%", "33.50%"),
            ("Chang et al.", "162.96%", "1.23%"),
            ("Qian et al.", "-20.16%", "-38.68%"),
            ("Xie et al.", "-18.51%", "-35.96%"),
            ("MCM (Ours)", "-30.81%", "-41.97%"),
        ),
        notes=(
            "The paper's pictures are 256 x 256, its rates under 0.1 bpp; it does not name the backbone of LPIPS.",
            "Our VVC is VVenC in 4:2:0, not VTM (`vvc` among --codecs).",
        ),
        sets=("COCO", "CelebAMask-HQ"),
    ),
    PaperTable(
        name="mcm-2",
        title="[Li2023] Table 2: choice of the patches that stay",
        family="mcm",
        header=("data", "strategy", "bpp", "LPIPS"),
        rows=(
            ("COCO", "Random", "0.0723", "0.263"),
            ("COCO", "Texture", "0.0760", "0.230"),
            ("COCO", "Structure", "0.0737", "0.257"),
            ("COCO", "DA-Mask", "0.0754", "0.238"),
            ("CelebAMask-HQ", "Random", "0.0839", "0.147"),
            ("CelebAMask-HQ", "Texture", "0.0885", "0.117"),
            ("CelebAMask-HQ", "Structure", "0.0776", "0.199"),
            ("CelebAMask-HQ", "DA-Mask", "0.0803", "0.130"),
        ),
        sets=("COCO", "CelebAMask-HQ"),
    ),
)
TABLES = {table.name: table for table in _TABLES}
