"""Train a category, let a policy use it, save two messages, look at the pages.

Run in the folder of a fresh project that has the wheel installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[0] = os.getcwd()
os.environ["DJANGO_SETTINGS_MODULE"] = "site1.settings"

import django  # noqa: E402

django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

import django_contentsafety  # noqa: E402
from django_contentsafety.flows import build  # noqa: E402
from django_contentsafety.models import Category  # noqa: E402

SCAM = "Official giveaway: send 0.5 ETH to our wallet and get 1 ETH back at once!"
HARMLESS = "The lighthouse was lovely, and the scones were still warm. Thank you."

installed = Path(django_contentsafety.__file__).parent
assert installed.parent.name == "site-packages", installed
assert (installed / "py.typed").is_file()

category = Category.objects.create(
    name="crypto-scam",
    definition="Promises of free or multiplied cryptocurrency.",
    provider="default",
)
build.import_samples(
    category, Path(sys.argv[1]).read_bytes(), filename="crypto-scam.jsonl", by="setup"
)
version = build.freeze(category, by="setup")
build.run(build.start(version, by="setup"))
build.activate(version, by="setup")
call_command(
    "contentsafety_policy", "comments", "--live", "--rule", "crypto-scam:score:0.5:0.9"
)


client = Client(SERVER_NAME="localhost")


def page(body: str) -> str:
    """What the page after the POST says: no Celery app, no worker."""
    answer = client.post("/write/", {"body": body}, follow=True)
    assert answer.status_code == 200, answer.status_code
    return " ".join(answer.content.decode().split())


pages_say = {"scam": page(SCAM), "harmless": page(HARMLESS)}
print(f"django-contentsafety {django_contentsafety.__version__}: {pages_say}")
assert pages_say["scam"] in ("review False", "block False"), pages_say
assert pages_say["harmless"] == "allow True", pages_say

# The admin's pages, for templates and static files that didn't come along.
client.force_login(User.objects.create_superuser("root", password="root"))  # noqa: S106
pages = [reverse("admin:index")]
for model, model_admin in admin.site._registry.items():
    if model._meta.app_label == "contentsafety":
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{name}_changelist"))
        pages.extend(
            reverse(f"{name}_change", args=[pk])
            for pk in model_admin.model._default_manager.values_list("pk", flat=True)[
                :1
            ]
        )
assert len(pages) > 1, "the admin shows none of our models"
for page in pages:
    response = client.get(page)
    assert response.status_code == 200, (page, response.status_code)
print(f"{len(pages)} pages of the admin answer.")
