"""The embedded engine: it reads samples, trains a category, scores and explains.

It knows nothing of Django, of this app or of a network, and each module can be
imported alone. Parsing samples and matching terms need the standard library only;
scoring needs numpy; training needs scikit-learn. Both are imported when they are
first used, never when a module of the engine is.
"""
