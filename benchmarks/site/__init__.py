"""The host: the same model bare, moderated, and kept by django-simple-history."""
