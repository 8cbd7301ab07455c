"""Text for the page as HTML. Everything that did not come from this program is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Literal
from urllib.parse import quote

from regio.app.coding import Version
from regio.app.scores import Score, Scores
from regio.app.study import Tally
from regio.info import Info, quality_of

Tone = Literal["status", "alert"]
FIGURES = (("PSNR, dB", 2, max), ("MS-SSIM", 4, max), ("LPIPS ↓", 4, min))  # digits, and what is best, as in `Score`
PARTS = ("Whole picture", "Region", "Rest")  # as in `Scores`


def notice(text: str, tone: Tone = "status") -> str:
    """A line that screen readers say by themselves; an alert is a fault. Nothing for no text."""
    return f'<p class="notice {tone}" role="{tone}">{escape(text)}</p>' if text else ""


def working(share: float, what: str, seconds: float) -> str:
    """The progress of work: a bar, the present step, and the time that may be left.

    share: 0 to 1, of the work that is done, `seconds` after it began.
    """
    left = ""
    if seconds >= 5 and share > 0.01:
        left = f", about {duration(seconds * (1 - share) / share)} left"
    time = f" ({duration(seconds)} so far{left})" if seconds >= 2 else ""
    return (
        f'<div class="notice status"><progress value="{share:.3f}" max="1" aria-label="{escape(what)}"></progress>'
        f"{escape(what + time)}</div>"
    )


def duration(seconds: float) -> str:
    """ "40 s", "3 min"; coarser the longer it is, as estimates are."""
    if seconds < 10:
        return f"{seconds:.0f} s"
    return f"{5 * round(seconds / 5)} s" if seconds < 88 else f"{seconds / 60:.0f} min"


def notes(*lines: str) -> str:
    """Small print, a line each; nothing for nothing."""
    below = "".join(f"<li>{escape(line)}</li>" for line in lines if line)
    return f'<ul class="notes">{below}</ul>' if below else ""


def figure(path: str, caption: str, alt: str) -> str:
    """A picture of the server's folder with words below it; alt says what is to be seen."""
    return (
        f'<figure class="shown"><img src="{url_of(path)}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def url_of(path: str) -> str:
    """Where the browser finds a file of the server's folder."""
    return f"gradio_api/file={quote(path)}"


def number(value: float, digits: int) -> str:
    """A figure; a dash where there is none."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def scores_table(rows: Sequence[tuple[Version, Scores]], remarks: Sequence[str] = ()) -> str:
    """All figures of all versions, part below part, so that a phone has room; the best of each part is bold."""
    if not rows:
        return ""
    shown = [k for k in range(len(FIGURES)) if any(not math.isnan(scores.whole[k]) for _, scores in rows)]
    names = "".join(f'<th scope="col">{name}</th>' for name in ("Codec", "Bytes", *(FIGURES[k][0] for k in shown)))
    divided = rows[0][1].region is not None
    body = "".join(_part(rows, part, shown, divided) for part in range(len(PARTS) if divided else 1))
    return (
        '<div class="scores" tabindex="0" role="region" aria-label="Figures"><table>'
        f"<caption>At equal bytes; best in bold</caption><thead><tr>{names}</tr></thead>{body}</table></div>"
        f"{notes(*remarks)}"
    )


def _part(rows: Sequence[tuple[Version, Scores]], part: int, shown: Sequence[int], headed: bool) -> str:
    """The figures of a part of the picture, an index of `PARTS`, a row each version."""
    columns = 2 + len(shown)
    body = f'<tr><th colspan="{columns}" scope="rowgroup">{PARTS[part]}</th></tr>' if headed else ""
    for version, scores in rows:
        cells = ""
        for k in shown:
            _, digits, better = FIGURES[k]
            value = _value(scores[part], k)
            known = [one for rival, other in rows if rival.fits and not math.isnan(one := _value(other[part], k))]
            best = len(known) > 1 and version.fits and value == better(known)
            cell = number(value, digits)
            cells += f"<td>{f'<strong>{cell}</strong>' if best else cell}</td>"
        over = "" if version.fits else ' <span class="over">smallest there is</span>'
        size = f"{version.size:,}{over}" if part == 0 else ""  # once is enough
        body += f'<tr><th scope="row">{escape(version.name)}</th><td>{size}</td>{cells}</tr>'
    return f"<tbody>{body}</tbody>"


def info_table(info: Info) -> str:
    """The facts in a .rgo file."""
    rows = {
        "Picture": f"{info.width} × {info.height} pixels, {info.colour}",
        "Codec": f"{info.codec}, weights {info.fingerprint[:8]}",
        "Quality": quality_of(info).removeprefix("quality "),
        "Size": f"{info.bytes_total:,} bytes, {info.bpp:.3f} bits per pixel",
        "Parts": ", ".join(f"{name} {size:,}" for name, size in info.parts.items()),
        "Metadata": ", ".join(info.metadata) or "none",
        "Tiles": "one piece" if info.tile_side is None else f"{info.tile_side} pixels a side",
    }
    body = "".join(f'<tr><th scope="row">{name}</th><td>{escape(text)}</td></tr>' for name, text in rows.items())
    return f'<div class="scores"><table class="info"><caption>What the file says</caption>{body}</table></div>'


def several_table(rows: Sequence[tuple[str, int, int, str]]) -> str:
    """Of several pictures: name, bytes before, bytes after (0: not made), and a note."""
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{before:,}</td><td>{f"{after:,}" if after else "–"}</td>'
        f"<td>{escape(note)}</td></tr>"
        for name, before, after, note in rows
    )
    made = [row for row in rows if row[2]]
    before, after = sum(row[1] for row in made), sum(row[2] for row in made)
    share = f"{after / before:.1%} of before" if before else ""
    total = (
        f'<tr><th scope="row">{len(made)} of {len(rows)}</th><td>{before:,}</td><td>{after:,}</td><td>{share}</td></tr>'
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Picture", "Bytes sent", "Bytes of .rgo", "Note"))
    return (
        '<div class="scores" tabindex="0" role="region" aria-label="Pictures"><table class="several"><caption>Pictures'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody><tfoot>{total}</tfoot></table></div>"
    )


def tally_table(tally: Sequence[Tally]) -> str:
    """How often each codec was chosen."""
    if not tally:
        return "<p>No votes yet.</p>"
    body = "".join(
        f'<tr><th scope="row">{escape(one.codec)}</th><td>{one.chosen}</td><td>{one.votes}</td>'
        f"<td>{one.chosen / one.votes:.0%}</td></tr>"
        for one in tally
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Codec", "Chosen", "Votes", "Share"))
    return f'<div class="scores"><table><caption>Votes</caption><thead><tr>{head}</tr></thead>{body}</table></div>'


def _value(score: Score | None, k: int) -> float:
    return math.nan if score is None else float(score[k])
