"""Azure's limits, each with the document it is from (Microsoft, read in 2026)."""

from __future__ import annotations

import re

# Custom categories: concepts/custom-categories, and the specification of
# 2024-09-15-preview for the name.
NAME = re.compile(r"(?=[a-zA-Z0-9])[a-zA-Z0-9-]*[a-zA-Z0-9]")
MAX_NAME = 64
MAX_DEFINITION = 1000
MAX_BLOB_URL = 500
#: Of each user, and of each category.
MAX_CATEGORIES, MAX_VERSIONS = 3, 3
MIN_POSITIVES, MAX_POSITIVES = 50, 5000
MAX_SAMPLES = 10_000
#: Of the file, in bytes.
MAX_SAMPLE_BYTES = 128_000

# Texts, in code points: the specification of 2024-09-01; the overview; the readme of
# the Content Moderator preview.
MAX_TEXT = 10_000
MAX_CUSTOM_TEXT = 1000
MAX_MODERATOR_TEXT = 7000
#: Inline categories of one request (private preview).
MAX_INLINE = 5

# Incidents: how-to/custom-categories-rapid, and the specification for the batch.
MAX_INCIDENTS = 100
MAX_INCIDENT_SAMPLES = 1000
MAX_INCIDENT_SAMPLE = 500

# Blocklists: the specification of 2024-09-01, and how-to/use-blocklist.
BLOCKLIST_NAME = re.compile(r"[0-9A-Za-z._~-]+")
MAX_TERM = 128
MAX_DESCRIPTION = 1024
MAX_TERMS = 10_000
#: Items of one request, and of one page.
MAX_BATCH = 100

#: Requests, and in how many seconds: the overview; the readme of the preview.
RATES = {
    "F0": {"text": (5, 1.0), "categories": (5, 1.0), "moderator": (1, 1.0)},
    "S0": {"text": (1000, 10.0), "categories": (5, 1.0), "moderator": (10, 1.0)},
}
