"""Losses of training; no codec imports them."""
