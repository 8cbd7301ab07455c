"""The papers' figures besides curves: kernels, masks, texture, and BD-rates of result files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from regio.data.labels import LabelSource, MaskFolder, Panoptic, Segmented
from regio.errors import UsageError
from regio.evaluation.bd_rate import axes, bd_cells, bd_rate, find_curves
from regio.evaluation.contestants import Own, line_up, own_named
from regio.evaluation.judges.lpips import LpipsJudge
from regio.evaluation.sweep import find_pictures
from regio.images import read_picture
from regio.losses.perceptual import Lpips
from regio.models.catalog import CATALOG
from regio.papers.mask_study import kernel_figure
from regio.papers.order import STUDY_QUALITIES, Order
from regio.papers.patch_study import mask_figure
from regio.papers.tables import Beside
from regio.papers.texture_study import patches_of, texture_figure

CODERS = ("bpg", "hevc", "avif")  # whose errors are set beside texture; the paper's is BPG, which is HEVC inside
AUTOMATIC = "auto"
SHOWN = 3  # pictures of a folder that masks are drawn for


def label_source(order: Order) -> LabelSource:
    """Label maps of --labels: a folder of PNG files, COCO's panoptic annotations (JSON), or "auto", made by graph-based
    segmentation and kept in the output. Raises UsageError.
    """
    if order.labels is None:
        raise UsageError("name label maps: --labels")
    if str(order.labels) == AUTOMATIC:
        if find_spec("skimage") is None:
            raise UsageError("--labels auto needs the package scikit-image (pip install 'regio[train]')")
        return Segmented(order.output / "labels")
    return Panoptic(order.labels) if order.labels.suffix == ".json" else MaskFolder(order.labels)


def recorded(order: Order) -> Beside:
    """BD-rates of every result file under --references against one of them."""
    if order.references is None:
        raise UsageError("--table curves needs --references, a folder of result files")
    rows: list[tuple[str, ...]] = [("curve", "metric", "BD-rate", "fit", "overlap, dB", "points (curve, anchor)")]
    chosen = order.anchor or "vtm"
    for metric in axes():
        curves = find_curves(order.references, metric)
        anchor = next((curve for curve in curves if curve.name == chosen), None)
        for curve in curves if anchor else ():
            cells = bd_cells(bd_rate(anchor, curve, metric=metric, fit=order.fit))  # type: ignore[arg-type]
            rows.append((cells[0], *cells[2:]))
    if len(rows) == 1:
        raise UsageError(f"no curve called {chosen} under {order.references}")
    notes = (
        "LPIPS and MS-SSIM are integrated in decibels; a point that does not pay for its rate is left out.",
        "Only curves of the same pictures compare; a result file does not say which those are.",
    )
    return Beside(f"BD-rates against {chosen}", tuple(rows), (), notes)


def kernels(order: Order) -> Beside:
    """Figure 9 of [Liu2024] for the first picture of the folder that has a label map."""
    if order.folder is None or order.labels is None:
        raise UsageError("--table segpic-kernels needs a folder of pictures, and --labels with their label maps")
    source = label_source(order)
    name = order.codecs[0] if order.codecs else _bundled("segpic")[0]
    own = own_named(name, device=order.device)
    member, quality = own.at(own.settings_for((50.0,))[0])
    for title, path in find_pictures(order.folder).items():
        pixels = read_picture(path).pixels
        labels = source.find(path, pixels)
        if labels is not None:
            target = order.output / "kernels.png"
            kernel_figure(member.codec, pixels, labels, target, quality=quality)
            rows = (("picture", "model", "figure"), (title, member.name, str(target)))
            return Beside("[Liu2024] Figure 9: kernels and gradients, with label maps and with a grid", rows, (), ())
    raise UsageError(f"no picture of {order.folder} has a label map in {order.labels}")


def masks(order: Order) -> Beside:
    """Figures 12 and 13 of [Li2023]: masked inputs and what is made of them."""
    if order.folder is None:
        raise UsageError("--table mcm-masks needs a folder of pictures")
    pictures = find_pictures(order.folder)
    qualities = order.qualities or STUDY_QUALITIES[:2]
    rows: list[tuple[str, ...]] = [("codec", "picture", "setting", "bpp", "PSNR", "figure")]
    for name in order.codecs or _bundled("mcm"):
        own = own_named(name, device=order.device)
        for title, path in list(pictures.items())[:SHOWN]:
            target = order.output / f"masks_{own.name}_{Path(title).stem}.png".replace(" ", "_")
            original = order.judges.look_at(title, read_picture(path).pixels)
            for row in mask_figure(own, original, qualities, target):
                figures = (f"{row.quality:g}", f"{row.bpp:.4f}", f"{row.figures['psnr']:.2f}")
                rows.append((row.codec, title, *figures, str(target)))
    notes = ("Estimated bits, no files.", "Objects are the regions of --marks, if there are any.")
    return Beside("[Li2023] Figures 12 and 13: patches that are sent, and decoded pictures", tuple(rows), (), notes)


def textures(order: Order) -> Beside:
    """Section 3.2 of [Li2023]: texture of patches against their LPIPS after compression."""
    if order.folder is None:
        raise UsageError("--table mcm-texture needs a folder of pictures")
    networks = [one.network for one in order.judges.others if isinstance(one, LpipsJudge)]
    network = next((one for one in networks if isinstance(one, Lpips)), None)
    if network is None:
        raise UsageError("--table mcm-texture measures LPIPS: --lpips squeeze")
    pictures = find_pictures(order.folder)
    contestants, skipped = line_up(list(order.codecs or CODERS), device=order.device, strength=order.strength)
    found = []
    for one in contestants:
        own = one.settings_for(order.qualities) if isinstance(one, Own) else one.settings
        found += [patches_of(one, at, pictures, network) for at in order.settings.get(one.name, own)]
    if not found:
        raise UsageError(f"no codec to measure: {', '.join(f'{name} {why}' for name, why in skipped.items())}")
    target = order.output / "texture.png"
    texture_figure(found, target)
    rows: list[tuple[str, ...]] = [
        ("codec", "setting", "bpp", "Spearman", "LPIPS of the quarter with least texture", "2nd", "3rd", "most")
    ]
    for link in found:
        quarters = (f"{value:.3f}" for value in link.by_texture(4))
        rows.append((link.codec, f"{link.setting:g}", f"{link.bpp:.4f}", f"{link.correlation:+.3f}", *quarters))
    notes = (
        f"{len(found[0].textures)} patches of {len(pictures)} pictures of {order.folder.name}, real files; {target}.",
        *(f"{name} skipped: {why}." for name, why in skipped.items()),
        "The paper uses BPG, which is HEVC inside, and prints no number.",
    )
    return Beside("[Li2023] section 3.2: texture of patches, and LPIPS", tuple(rows), (), notes)


def _bundled(family: str) -> list[str]:
    return [entry.name for entry in CATALOG.values() if entry.family == family]
