"""Layers that do not belong to one paper: each block once, composed by the models."""
