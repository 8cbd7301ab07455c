"""Layers without opinions on papers: each block once, composed by the models."""
