"""Judging codecs from real files: metrics, opponents, sweeps, BD-rates, reports.

    from regio.evaluation.metrics import psnr, ms_ssim, bpp
    from regio.evaluation.contestants.opponents import OPPONENTS
    fit = OPPONENTS["jpeg"].at_bytes(pixels, 20_000)

Nothing is imported here: the parts need the extra ``[eval]`` (pytorch-msssim, bjontegaard, Matplotlib), each only
where it is used.
"""
