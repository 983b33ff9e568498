#!/usr/bin/env bash
# Build the package, install the wheel into an environment of its own, and moderate
# one save in a fresh project: what package_data forgets fails here.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "Building"
.venv/bin/python -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
wheel=$(echo "$work"/dist/*.whl)

echo "Installing $(basename "$wheel") (about a minute)"
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq "$wheel[local]"

cd "$work"
unset PYTHONPATH DJANGO_SETTINGS_MODULE
python=$work/venv/bin/python
"$python" -m django startproject site1
cd site1
"$python" manage.py startapp board

cat >>site1/settings.py <<'END'

INSTALLED_APPS += ["django_contentsafety", "board"]
END
cat >board/models.py <<'END'
from django.db import models

from django_contentsafety.registry import moderate


@moderate("body", policy="comments")
class Message(models.Model):
    body = models.TextField()
END

cat >board/views.py <<'END'
from django.shortcuts import get_object_or_404, redirect, render

from .models import Message


def write(request):
    return redirect("read", pk=Message.objects.create(body=request.POST["body"]).pk)


def read(request, pk):
    return render(request, "message.html", {"message": get_object_or_404(Message, pk=pk)})
END
mkdir -p board/templates
cat >board/templates/message.html <<'END'
{% load contentsafety %}{% moderation_status message as status %}
{{ status.decision }} {{ status.visible }}
END
cat >>site1/urls.py <<'END'

from board import views

urlpatterns += [path("write/", views.write), path("<int:pk>/", views.read, name="read")]
END

"$python" manage.py makemigrations -v 0 board
"$python" manage.py migrate -v 0
"$python" manage.py check --fail-level ERROR
"$python" "$root/.ci/wheel_smoke.py" "$root/example_project/data/crypto-scam.jsonl"
