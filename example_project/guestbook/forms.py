"""The one form of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from .models import Entry

if TYPE_CHECKING:
    EntryFormBase = forms.ModelForm[Entry]
else:
    EntryFormBase = forms.ModelForm


class EntryForm(EntryFormBase):
    """What a guest is asked for; the rest the view knows."""

    class Meta:
        model = Entry
        fields = ["name", "message"]
        labels = {"name": _("Your name"), "message": _("Your message")}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "message": forms.Textarea(attrs={"rows": 5}),
        }
