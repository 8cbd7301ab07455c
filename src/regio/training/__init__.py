"""Recipes, the one loop, checkpoints and export."""
