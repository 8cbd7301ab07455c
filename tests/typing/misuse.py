"""What a type checker must refuse; each line says which error it wants. Checked by mypy, never run."""

import regio
from regio import bulk

regio.decode(b"", as_="jax")  # type: ignore[call-overload]
regio.inspect(3)  # type: ignore[arg-type]
regio.encode(3)  # type: ignore[arg-type]
regio.load("segpic-xs").encode("a.png", quality="high")  # type: ignore[arg-type]
regio.load("segpic-xs").encode("a.png", qualtiy=3)  # type: ignore[call-arg]
bulk.encode("in", "out", qualtiy=3)  # type: ignore[call-arg]
