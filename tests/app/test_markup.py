"""Text on the page: figures as people read them, and nothing that a file could smuggle in."""

import math

import pytest

from regio.app.coding import Version
from regio.app.markup import duration, figure, notice, number, scores_table, tally_table, working
from regio.app.scores import Score, Scores
from regio.app.study import Tally

NAN = math.nan


def version(name: str, size: int, fits: bool = True) -> Version:
    return Version(name, size, fits, None)  # type: ignore[arg-type]


def whole(psnr: float, ms_ssim: float, lpips: float = NAN) -> Scores:
    return Scores(Score(psnr, ms_ssim, lpips), None, None)


def test_markup_in_messages_and_names_is_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    for made in (
        notice(evil, "alert"),
        figure("/tmp/a", evil, evil),
        scores_table([(version(evil, 1), whole(30, 0.9))], [evil]),
        tally_table([Tally(evil, 1, 2)]),
    ):
        assert "<img src=x" not in made
        assert "&lt;img" in made


def test_a_notice_is_announced_as_what_it_is() -> None:
    assert 'role="alert"' in notice("no", "alert")
    assert 'role="status"' in notice("yes")
    assert notice("") == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (9.4, "9 s"), (13, "15 s"), (87, "85 s"), (100, "2 min"), (3000, "50 min")]
)
def test_times_are_as_coarse_as_estimates(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_work_tells_its_share_and_what_is_left_once_that_can_be_known() -> None:
    assert "about" not in working(0.5, "Encoding", 1)
    assert "about" not in working(0.0, "Encoding", 60)
    told = working(0.25, "Encoding <b>", 20)
    assert 'value="0.250"' in told
    assert "Encoding &lt;b&gt; (20 s so far, about 60 s left)" in told


def test_names_of_files_become_addresses() -> None:
    assert 'src="gradio_api/file=/tmp/a%22%20b.png"' in figure('/tmp/a" b.png', "", "")


@pytest.mark.parametrize(("value", "text"), [(NAN, "–"), (math.inf, "∞"), (31.456, "31.46")])
def test_figures_that_there_are_not_are_dashes(value: float, text: str) -> None:
    assert number(value, 2) == text


def test_the_best_that_keeps_the_size_is_bold_and_less_lpips_is_better() -> None:
    rows = [
        (version("Regio", 900), whole(30, 0.95, 0.1)),
        (version("JPEG", 1200, fits=False), whole(40, 0.99, 0.01)),
        (version("WebP", 880), whole(29, 0.96, 0.2)),
    ]
    made = scores_table(rows)
    assert made.count("<strong>") == 3
    for best in ("30.00", "0.9600", "0.1000"):
        assert f"<strong>{best}</strong>" in made
    assert made.count("smallest there is") == 1


def test_columns_without_figures_and_parts_that_are_not_divided_are_left_out() -> None:
    made = scores_table([(version("Regio", 900), whole(30, 0.95))])
    assert "LPIPS" not in made
    assert "Region" not in made
    assert "<strong>" not in made  # nothing to compare with
    score = Score(30, NAN, 0.1)
    divided = scores_table([(version("Regio", 900), Scores(score, score, score))])
    assert divided.count("LPIPS") == 1
    assert [divided.count(f'scope="rowgroup">{part}<') for part in ("Whole picture", "Region", "Rest")] == [1, 1, 1]
    assert divided.count("900") == 1
    assert "MS-SSIM" not in divided
    assert scores_table([]) == ""
