"""Train the built-in categories from public data and from texts of our own.

``python -m tools.train_harm FOLDER`` reads the files that ``sources.py`` names in
FOLDER and writes ``django_contentsafety/engine/weights/``. Nothing of the data is kept
but what is computed from it. ``docs/explanation/engine.md`` says what comes out.
"""
