"""The papers: what they print, their tables with our figures beside theirs, and their studies."""
