"""The papers: their figures, their tables with ours beside them, and their studies."""
