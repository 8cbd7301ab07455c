"""The web application: what it does, apart from any page (`limits`, `coding`, `maps`, `scores`, `study`), and the page.

The page needs Gradio (`pip install 'regio[app]'`); `regio app` starts it. Everything else here works without it.
"""
