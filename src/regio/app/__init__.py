"""The web application: its functions (`limits`, `coding`, `maps`, `scores`, `study`), and the page that calls them.

The page needs Gradio (`pip install 'regio[app]'`); `regio app` starts it. Everything else here works without it.
"""
