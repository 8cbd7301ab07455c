"""Which pictures a run holds back for validation. The choice is made once and stays when the run continues."""

import logging
import zlib

from regio.data.pictures import PicturePack
from regio.data.stream import PictureStream
from regio.errors import UsageError
from regio.training.checkpoint import RunFolder

Pictures = PicturePack | PictureStream
log = logging.getLogger(__name__)


def split(pictures: Pictures, folder: RunFolder, held_back: int) -> tuple[Pictures, PicturePack]:
    """Return (pictures to train on, held-back pictures).

    A run that continues holds back the same pictures as before, by name and content, whatever was added since; new
    pictures are trained on. UsageError when none of them is left. A new run chooses `held_back` of them.
    """
    known = folder.held_back() if folder.started else None
    names = None if known is None else known.get("held_back")
    if known is None or not isinstance(names, list):
        return pictures.split(held_back)
    wanted, every = {str(name) for name in names}, pictures.names
    bare = {key.rpartition(" ")[0] for key in wanted}
    places, known_ones = pictures.loaded([i for i, name in enumerate(every) if name in bare])
    keys = [key_of(known_ones, k) for k in range(len(places))]
    kept = [k for k, key in enumerate(keys) if key in wanted]
    missing = sorted(wanted - set(keys))
    if wanted and not kept:
        raise UsageError(
            f"{folder.path} holds back {len(wanted)} pictures, but none of them is in the folders of the recipe; "
            "put them back, or name another folder with --output"
        )
    if missing:
        log.warning("%d held-back pictures are missing or changed, the first is %s", len(missing), missing[0])
    held = {places[k] for k in kept}
    trained = [i for i in range(len(every)) if i not in held]
    if not trained:
        raise UsageError(f"{folder.path}: all pictures are held back, so none is left to train on")
    if len(trained) != known.get("trained"):
        log.warning(
            "there are %d pictures to train on, there were %s when the run began: the curve changes from here on",
            len(trained),
            known.get("trained"),
        )
    return pictures.subset(trained), known_ones.subset(kept)


def note(folder: RunFolder, trained: Pictures, held: PicturePack) -> None:
    """Write the choice of a new run to its folder. A run that has one keeps it."""
    if not folder.started or folder.held_back() is None:
        keys = [key_of(held, i) for i in range(len(held.names))]
        folder.note_pictures({"trained": len(trained.names), "held_back": keys})


def key_of(pack: PicturePack, index: int) -> str:
    """Return what tells a picture from others with the same file name: the name and a checksum of its pixels."""
    pixels = pack.pictures[index].cpu().contiguous().numpy().tobytes()
    return f"{pack.names[index]} {zlib.crc32(pixels):08x}"
