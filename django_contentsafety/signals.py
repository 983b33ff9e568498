"""Signals for the host. Sent with ``send_robust`` after our transaction committed.

They are a convenience, not a promise: a process may die before they are sent.
What must happen is an ``Action`` row.
"""

from __future__ import annotations

from django.dispatch import Signal

# A decision came into force. Provides: state (ModerationState), using (alias).
moderation_finished = Signal()

# A build ended. Provides: job (BuildJob).
build_finished = Signal()

# A version became active, or none is. Provides: category, version (or None), by.
version_activated = Signal()
