"""Bundled weights and the store that reads and writes them."""
