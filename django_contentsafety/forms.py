"""The forms of the admin: what a person may enter, refused in words at its field."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _, gettext_lazy

from .engine.containers import MAX_BYTES
from .engine.lines import Chunks
from .engine.samples import parse_jsonl, text_hash
from .flows.naming import known_to_services, policies_naming
from .flows.trying import MAX_CHARS
from .models import BulkRound, Category, LogEntry, PolicyRule, Sample
from .providers import providers
from .verdicts import HarmCategory

if TYPE_CHECKING:
    CategoryModelForm = forms.ModelForm[Category]
    RuleModelForm = forms.ModelForm[PolicyRule]
    SampleModelForm = forms.ModelForm[Sample]
else:
    CategoryModelForm = RuleModelForm = SampleModelForm = forms.ModelForm

#: Bytes of an uploaded file; one more is read, so that a larger one is noticed.
MAX_UPLOAD = 20_000_000
#: Characters of a review's note (models.Review).
MAX_NOTE = 1000
#: Category names that a page offers.
MAX_WORDS = 200

THRESHOLD = {"step": "any", "class": "cs-threshold"}


def suggestions() -> dict[str, list[str]]:
    """Words to offer, by the id of the page's <datalist>; a field takes any word, and
    the model says what is wrong with it."""
    names = Category.objects.values_list("name", flat=True)[:MAX_WORDS]
    return {
        "cs-providers": sorted(providers),
        "cs-categories": [*HarmCategory.values, *names],
    }


class CategoryForm(CategoryModelForm):
    class Meta:
        model = Category
        fields = ["name", "definition", "provider"]
        widgets = {
            "provider": forms.TextInput(attrs={"list": "cs-providers"}),
            "definition": forms.Textarea(attrs={"rows": 5, "cols": 80}),
        }

    def clean(self) -> dict[str, Any]:
        """Rules name the category and its provider by words: those can't change."""
        data = super().clean() or self.cleaned_data
        before = self.initial.get("name", "")
        for name in ("name", "provider"):
            if self.instance.pk and name in self.changed_data:
                slugs = policies_naming(before)
                if slugs:
                    self.add_error(
                        name,
                        _(
                            "%(policies)s has a rule for “%(name)s”: delete that rule "
                            "before you change this."
                        )
                        % {"policies": ", ".join(slugs), "name": before},
                    )
        known = []
        if self.instance.pk and "name" in self.changed_data:
            known = known_to_services(self.instance)
        if known:
            self.add_error(
                "name",
                _(
                    "The service that built %(version)s knows it by this name: delete "
                    "that version before you change this."
                )
                % {"version": f"{before} v{known[0].number}"},
            )
        return data


class UploadForm(forms.Form):
    """Samples from a file or from the clipboard."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        help_text=gettext_lazy("JSONL, CSV or plain lines in UTF-8, at most 20 MB."),
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.json,.csv,.txt"}),
    )
    pasted = forms.CharField(
        label=gettext_lazy("Or lines"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 80, "spellcheck": "false"}),
        help_text=gettext_lazy("The same formats, pasted; up to 2 MB."),
    )
    label = forms.TypedChoiceField(
        label=gettext_lazy("Plain lines are"),
        required=False,
        choices=[
            ("", gettext_lazy("refused: JSONL and CSV say it line by line")),
            ("positive", gettext_lazy("positive: they belong to the category")),
            ("negative", gettext_lazy("negative: they do not")),
        ],
        coerce=lambda value: value == "positive",
        empty_value=None,
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        has_file, has_lines = bool(data.get("file")), bool(data["pasted"].strip())
        if has_file == has_lines:
            raise forms.ValidationError(
                _("Choose a file or paste lines, not both.")
                if has_file
                else _("Choose a file, or paste lines.")
            )
        return data

    def read(self) -> tuple[str, bytes | Chunks, str]:
        """(name, data, source) of what was given; a file stays where it is."""
        upload = self.cleaned_data.get("file")
        if upload:
            chunks = Chunks(upload, MAX_UPLOAD + 1)
            return upload.name, chunks, Sample.Source.UPLOAD
        data = self.cleaned_data["pasted"].encode("utf-8", "surrogatepass")
        return _("pasted lines"), data, Sample.Source.PASTE


class EarlierForm(forms.Form):
    """Which texts a change concerns (DESIGN §5); only what is ``offered`` is taken."""

    texts = forms.ChoiceField(
        label=gettext_lazy("Which texts"),
        choices=[("new", ""), *BulkRound.Kind.choices],
        initial="new",
        required=False,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Decided"),
        choices=[
            ("1", gettext_lazy("in the last day")),
            ("7", gettext_lazy("in the last 7 days")),
            ("30", gettext_lazy("in the last 30 days")),
            ("90", gettext_lazy("in the last 90 days")),
            ("", gettext_lazy("whenever")),
        ],
        initial="7",
        required=False,
        coerce=int,
        empty_value=None,
    )

    def __init__(self, *args: Any, offered: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = offered

    def clean_texts(self) -> str:
        texts: str = self.cleaned_data["texts"] or "new"
        if texts != "new" and texts not in self.offered:
            raise forms.ValidationError(_("That is not possible here (any more)."))
        return texts


class ReasonForm(forms.Form):
    """Why somebody does it, for the log."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=LogEntry.MAX_REASON,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text=gettext_lazy("For the log, for good; at most 200 characters."),
    )


class TryForm(forms.Form):
    """A text to try, and whether it may cost something."""

    text = forms.CharField(
        label=gettext_lazy("Text"),
        strip=False,
        max_length=MAX_CHARS,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 80}),
        error_messages={"required": gettext_lazy("Write a text first.")},
    )
    remote = forms.BooleanField(
        label=gettext_lazy("Ask providers on the network too"), required=False
    )


class BundleForm(forms.Form):
    """A category from another site, and what it is called here."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("What “Export category” made, at most 50 MB."),
        widget=forms.FileInput(attrs={"accept": ".zip"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Here; empty = as in the file."),
    )
    provider = forms.CharField(
        label=gettext_lazy("Provider"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"list": "cs-providers"}),
        help_text=gettext_lazy("The alias here; empty = as in the file."),
    )

    def read(self) -> bytes:
        """The file; at most one byte more than may be."""
        upload = self.cleaned_data["file"]
        return bytes(upload.read(MAX_BYTES + 1))

    def chosen(self) -> dict[str, str | None]:
        """Name and provider, None where the file's own count."""
        return {key: self.cleaned_data[key] or None for key in ("name", "provider")}


class SampleForm(SampleModelForm):
    class Meta:
        model = Sample
        fields = ["category", "text", "is_positive"]

    def clean(self) -> dict[str, Any]:
        """The hash is no field of the form, so Django skips its constraint."""
        data = super().clean() or self.cleaned_data
        category = data.get("category") or getattr(self.instance, "category", None)
        text = data.get("text")
        if category is None or not text:
            return data
        # What no file could hold, no version could be trained on.
        row = {"text": text, "isPositive": data.get("is_positive", False)}
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
        for problem in parse_jsonl(line).errors:
            self.add_error("text", f"{problem.message} {problem.remedy}")
            return data
        same = category.samples.filter(text_hash=text_hash(text))
        other = same.exclude(pk=self.instance.pk).first()
        if other is not None:
            positive = data.get("is_positive", False)
            self.add_error(
                "text",
                _("The category has a sample of this text already.")
                if other.is_positive == positive
                else _(
                    "The category has this text with the other label: delete that "
                    "sample first, or give this one its label."
                ),
            )
        return data


class RuleForm(RuleModelForm):
    class Meta:
        model = PolicyRule
        fields = [
            "category",
            "provider",
            "scale",
            "review_at",
            "block_at",
            "only_if_unsure",
        ]
        widgets = {
            "category": forms.TextInput(attrs={"list": "cs-categories", "size": 20}),
            "provider": forms.TextInput(attrs={"list": "cs-providers", "size": 12}),
            "review_at": forms.NumberInput(attrs=THRESHOLD),
            "block_at": forms.NumberInput(attrs=THRESHOLD),
        }


class DecisionForm(forms.Form):
    """What comes with approve and reject: which text the person saw, and a note."""

    generation = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
        help_text=gettext_lazy("For other reviewers; it can be erased later."),
    )
