"""A category in one file: what goes out comes in, and nothing else does."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given, settings as hypothesis_settings, strategies as st

from django_contentsafety.engine import bundles, containers
from django_contentsafety.engine.containers import MAX_ENTRIES
from django_contentsafety.engine.errors import BundleError
from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import build, bundling
from django_contentsafety.flows.bundling import export_bundle, import_bundle
from django_contentsafety.flows.plans import reference
from django_contentsafety.models import Category, CategoryVersion, LogEntry, Sample
from django_contentsafety.providers import providers
from tests.building import SiteTables
from tests.engine.made_up import make_samples

pytestmark = pytest.mark.django_db(databases="__all__")

Files = dict[str, bytes]


def make_category(name: str = "scam") -> Category:
    """Version 1 ready, version 2 frozen, and one sample more."""
    category = Category.objects.create(
        name=name, definition="Lures, “free” money.", provider="local"
    )
    data = write_jsonl(make_samples(25, 25))
    build.import_samples(category, data, filename="f", by="7")
    build.run(build.start(build.freeze(category, by="7"), by="7"))
    more = '{"text": "ünïcode 💰\\u2028", "isPositive": false}'.encode()
    build.import_samples(category, more, filename="f", by="7")
    build.freeze(category, by="7")
    category.refresh_from_db()
    return category


def make_bundle() -> bytes:
    return export_bundle(make_category(), by="7")


def files_of(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as container:
        return {name: container.read(name) for name in container.namelist()}


def zip_of(files: Files | list[tuple[str, bytes]], method: int = 0) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as container:
        for name, data in files.items() if isinstance(files, dict) else files:
            container.writestr(name, data)
    return packed.getvalue()


def sealed(
    files: Files, change: Callable[[Any], None] = lambda manifest: None
) -> bytes:
    """A zip whose checksums are right, whatever was changed: an enemy can count."""
    manifest = json.loads(files.pop("bundle.json"))
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in files.items()
    }
    change(manifest)
    return zip_of({"bundle.json": json.dumps(manifest).encode(), **files})


def stored() -> tuple[int, int, int, int]:
    return (
        Category.objects.count(),
        Sample.objects.count(),
        CategoryVersion.objects.count(),
        LogEntry.objects.count(),
    )


def test_what_goes_out_comes_in(using: str, settings: Any) -> None:
    """On each database, and scoring alike without training."""
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    before = make_category()
    data = export_bundle(before, by="7")
    after = import_bundle(data, by="8", name="scam-2")
    assert (after.definition, after.last_number) == (before.definition, 2)
    assert after.active_version is None
    rows = [
        list(category.samples.order_by("pk").values_list("text", "is_positive"))
        for category in (before, after)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 51
    names = ["number", "status", "samples_sha256", "card", "created_at", "ready_at"]
    versions = [
        list(category.versions.order_by("number").values_list(*names))
        for category in (before, after)
    ]
    assert versions[0] == versions[1]
    assert [row[1] for row in versions[1]] == ["ready", "frozen"]
    verdicts = []
    for category in (before, after):
        version = category.versions.get(number=1)
        asked = reference(version.pk, category.name, 1, version.provider_version)
        [verdict] = providers["local"].analyze([rows[0][0][0]], [asked])
        verdicts.append(verdict.scores[0].score)
    assert verdicts[0] == verdicts[1]
    build.activate(after.versions.get(number=1), by="8")
    # Its numbers go on where they were.
    assert build.freeze(after, by="8").number == 3
    assert LogEntry.objects.get(event="exported").details == {
        "samples": 51,
        "versions": 2,
    }
    entry = LogEntry.objects.get(event="bundle_imported")
    assert (entry.actor_key, entry.subject) == ("8", "scam-2")
    assert entry.details["sha256"] == sha256(data).hexdigest()


def test_the_same_content_gives_the_same_bytes() -> None:
    category = make_category()
    data = export_bundle(category, by="7")
    assert export_bundle(category, by="8") == data
    Category.objects.filter(pk=category.pk).update(name="renamed")
    again = import_bundle(data, by="9")
    assert again.pk != category.pk
    assert export_bundle(again, by="") == data


def test_some_versions_alone() -> None:
    category = make_category()
    names = files_of(export_bundle(category, by="", numbers=[2]))
    assert list(names) == ["bundle.json", "samples.jsonl", "versions/2/samples.jsonl"]
    with pytest.raises(RefusedError, match="no version 3"):
        export_bundle(category, by="", numbers=[2, 3])


#: A version's status → what it is after a journey; None = it stays behind.
TRAVELS = {
    "frozen": "frozen",
    "building": "frozen",
    "failed": "frozen",
    "ready": "ready",
    "retired": "retired",
    "deleting": None,
    "deleted": None,
    "delete_failed": None,
}


@pytest.mark.parametrize("status", CategoryVersion.Status.values)
def test_what_each_status_becomes(status: str) -> None:
    exported = TRAVELS[status]
    category = make_category()
    category.versions.filter(number=1).update(status=status)
    after = import_bundle(export_bundle(category, by=""), by="", name="other")
    version = after.versions.filter(number=1).first()
    assert (version and version.status) == exported
    has_artifact = version is not None and version.artifact is not None
    assert has_artifact == (exported in ("ready", "retired"))


def test_a_retired_version_without_its_artifact_is_built_again() -> None:
    """Reinstated it would be ready, and no provider would know it."""
    category = make_category()
    category.versions.filter(number=1).update(status="retired")
    files = files_of(export_bundle(category, by=""))
    del files["versions/1/artifact.bin"]
    after = import_bundle(sealed(files), by="", name="other")
    assert after.versions.get(number=1).status == "frozen"


@pytest.mark.parametrize(
    "card",
    [
        {
            "metrics": {
                "true_positives": 36,
                "false_positives": 3,
                "false_negatives": 4,
                "true_negatives": 57,
            }
        },
        {"method": None, "metrics": {"threshold": None, "f1": "high"}, "more": [1]},
    ],
)
def test_a_card_travels_as_its_provider_wrote_it(card: Any) -> None:
    """One that answers yes or no names no threshold; what is read of it is shown."""
    category = make_category()
    category.versions.filter(number=1).update(card=card)
    after = import_bundle(export_bundle(category, by=""), by="", name="other")
    assert after.versions.get(number=1).card == card


def test_a_name_that_is_taken_is_refused() -> None:
    data = make_bundle()
    before = stored()
    with pytest.raises(RefusedError, match="another name"):
        import_bundle(data, by="")
    for name in ("no spaces", "-", "Hate", "x" * 65):
        with pytest.raises(RefusedError, match="name"):
            import_bundle(data, by="", name=name)
    assert stored() == before


def test_a_provider_that_the_site_lacks_is_refused(settings: Any) -> None:
    data = make_bundle()
    Category.objects.update(name="renamed")
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": settings.CONTENTSAFETY_PROVIDERS["default"],
    }
    before = stored()
    with pytest.raises(RefusedError, match=r"no provider “local”.*default"):
        import_bundle(data, by="")
    assert stored() == before
    category = import_bundle(data, by="", provider="default")
    version = category.versions.get(number=1)
    # The dummy can't use what the engine trained: it is built again.
    assert (version.status, version.artifact, version.card) == ("frozen", None, None)
    [plan, _frozen] = bundling.preview_bundle(data, provider="default").versions
    assert "takes over no version" in plan.why


def test_an_artifact_that_cannot_be_used_is_built_again() -> None:
    files = files_of(make_bundle())
    files["versions/1/artifact.bin"] = b"DJCSHEAD nonsense"
    category = import_bundle(sealed(files), by="", name="other")
    version = category.versions.get(number=1)
    assert (version.status, version.artifact) == ("frozen", None)
    build.run(build.start(version, by=""))
    version.refresh_from_db()
    assert version.status == "ready"


def test_a_preview_stores_nothing() -> None:
    data = make_bundle()
    before = stored()
    plan = bundling.preview_bundle(data, name="other")
    assert (plan.name, plan.positives, plan.negatives) == ("other", 25, 26)
    assert [version.status for version in plan.versions] == ["ready", "frozen"]
    assert plan.problems == ()
    assert stored() == before


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("model", [Sample, CategoryVersion, LogEntry])
def test_an_error_on_the_way_stores_nothing(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_bundle()
    before = stored()
    method = "bulk_create" if model is Sample else "create"

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("disk")

    monkeypatch.setattr(model.objects, method, fail)
    with pytest.raises(OSError, match="disk"):
        import_bundle(data, by="", name="other")
    monkeypatch.undo()
    assert stored() == before


# --- What an enemy, or a bad disk, makes of it


def change(path: str, data: bytes) -> Callable[[Files], bytes]:
    return lambda files: sealed({**files, path: data})


def rewrite(act: Callable[[Any], None]) -> Callable[[Files], bytes]:
    return lambda files: sealed(files, act)


def manifest_is(data: bytes) -> Callable[[Files], bytes]:
    return lambda files: zip_of({**files, "bundle.json": data})


def twice(files: Files) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zip_of([*files.items(), ("samples.jsonl", b"")])


def bomb(files: Files) -> bytes:
    return zip_of({**files, "samples.jsonl": b"\n" * 49_000_000}, zipfile.ZIP_DEFLATED)


def say(act: Callable[[bytes], bytes]) -> Callable[[Files], bytes]:
    return lambda files: act(zip_of(files))


def set_(key: str, value: Any) -> Callable[[Any], None]:
    def act(manifest: Any) -> None:
        *path, last = (int(k) if k.isdigit() else k for k in key.split("."))
        for part in path:
            manifest = manifest[part]
        if value is KeyError:
            del manifest[last]
        else:
            manifest[last] = value

    return act


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

#: What is wrong → (how it is made, what is said).
HOSTILE: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "empty": (lambda files: b"", "no zip"),
    "text": (lambda files: b'{"text": "x"}\n', "no zip.*uploaded to a category"),
    "only an end": (lambda files: b"PK\x05\x06" + bytes(18), "no bundle.json"),
    "cut short": (say(lambda data: data[:-1]), "cut short"),
    "cut in the middle": (say(lambda data: data[: len(data) // 2]), "cut short"),
    "something after it": (say(lambda data: data + b"x"), "something follows"),
    "larger than allowed": (say(lambda data: data + bytes(50_000_001)), "larger than"),
    "another zip": (lambda files: zip_of({"card.json": b"{}"}), "no bundle.json"),
    "a spreadsheet": (lambda files: zip_of({"xl/a.xml": b"<a/>"}), "No such file"),
    "up and out": (change("../samples.jsonl", b""), "No such file"),
    "absolute": (change("/samples.jsonl", b""), "No such file"),
    "backslash": (change("versions\\1\\evil.py", b""), "No such file"),
    "a file too many": (change("versions/9/card.json", b"{}"), "9/card.json: No vers"),
    "a folder": (change("versions/1/", b""), "No such file"),
    "twice": (twice, "samples.jsonl: The file is in the zip twice"),
    "bomb": (bomb, "samples.jsonl: The file unpacks to more than 200 times"),
    "too many files": (
        lambda files: zip_of([(f"{n}/card.json", b"") for n in range(MAX_ENTRIES + 1)]),
        "more than 1,000 files",
    ),
    "unknown packing": (
        lambda files: zip_of(files, zipfile.ZIP_BZIP2),
        "packed in an unknown way",
    ),
    "a changed sample": (
        lambda files: zip_of({**files, "samples.jsonl": b'{"text": "other"}'}),
        "samples.jsonl: Its checksum is wrong",
    ),
    "a file is gone": (
        lambda files: zip_of({k: v for k, v in files.items() if "card" not in k}),
        "names a file that the zip does not hold",
    ),
    "not named": (
        rewrite(set_("files", {"samples.jsonl": {"bytes": 0, "sha256": ""}})),
        "does not name this file|checksum",
    ),
    "no names": (rewrite(set_("files", {})), "does not name samples.jsonl"),
    "not JSON": (manifest_is(b"{oops"), "bundle.json: It is not JSON, at line 1"),
    "not an object": (manifest_is(b"[]"), "not an object"),
    "not UTF-8": (manifest_is(b'{"a": "\xff"}'), "not UTF-8"),
    "deep": (manifest_is(DEEP), "nested too deeply"),
    "huge": (manifest_is(b'{"a": "' + b"a" * 1_000_000 + b'"}'), "larger than 1,000,0"),
    "a key twice": (manifest_is(b'{"a": 1, "a": 2}'), "same key twice"),
    "NaN": (manifest_is(b'{"a": NaN}'), "holds NaN"),
    "infinity": (manifest_is(b'{"a": 1e999}'), "too large"),
    "a huge number": (manifest_is(b'{"a": ' + b"9" * 30 + b"}"), "too large"),
    "a number without end": (manifest_is(b'{"a": ' + b"9" * 9999 + b"}"), "too long"),
    "half a character": (manifest_is(b'{"a": "\\ud800"}'), "lone surrogate"),
    "half a character in a key": (manifest_is(b'{"\\udfff": 1}'), "lone surrogate"),
    "NUL": (manifest_is(b'{"a": "\\u0000"}'), "NUL"),
    "another format": (rewrite(set_("format", "x")), "not a category of"),
    "newer": (rewrite(set_("format_version", 2)), "version 2.*reads 1.*Upgrade"),
    "older than the first": (rewrite(set_("format_version", 0)), "format_version"),
    "version as text": (rewrite(set_("format_version", "1")), "whole number"),
    "no category": (rewrite(set_("category", KeyError)), "category is missing"),
    "a number as name": (
        rewrite(set_("category.name", 5)),
        "category.name: .*not text",
    ),
    "no name": (rewrite(set_("category.name", "")), "name"),
    "a name of markup": (rewrite(set_("category.name", "<b>")), "letters, digits"),
    "a long definition": (rewrite(set_("category.definition", "x" * 1001)), "1000"),
    "no definition": (rewrite(set_("category.definition", "")), "definition"),
    "versions as object": (rewrite(set_("versions", {})), "versions: It is not a list"),
    "a version as number": (rewrite(set_("versions.0", 1)), r"versions\[0\]: .*object"),
    "true as number": (rewrite(set_("versions.0.number", True)), "a whole number"),
    "number 0": (rewrite(set_("versions.0.number", 0)), "numbers don't rise"),
    "below 0": (rewrite(set_("versions.0.number", -1)), "below 0"),
    "a number twice": (rewrite(set_("versions.0.number", 2)), "numbers don't rise"),
    "last number": (rewrite(set_("category.last_number", 1)), "don't rise up to last"),
    "beyond a column": (rewrite(set_("category.last_number", 2**31)), "too large"),
    "another count": (rewrite(set_("versions.0.positives", 9)), "other numbers of"),
    "active": (rewrite(set_("versions.0.status", "active")), "none of frozen"),
    "a status of ours": (rewrite(set_("versions.0.status", "building")), "none of"),
    "a time": (rewrite(set_("versions.0.frozen_at", "yesterday")), "out of bounds"),
    "a far time": (
        rewrite(set_("versions.0.frozen_at", "9999-12-31T23:59:59+00:00")),
        "out of bounds",
    ),
    "no such day": (
        rewrite(set_("versions.0.ready_at", "2026-02-30T00:00:00+00:00")),
        "out of bounds",
    ),
    "a version's definition": (
        rewrite(set_("versions.0.definition", "x" * 1001)),
        "out of bounds",
    ),
    "a line that is no sample": (
        change("samples.jsonl", b'{"text": "a"}\n{oops\n'),
        "samples.jsonl: Line 2: The line is not JSON",
    ),
    "a sample with NUL": (
        change("samples.jsonl", b'{"text": "a\\u0000"}'),
        "Line 1: .*NUL",
    ),
    "a contradiction": (
        change("samples.jsonl", b'{"text":"a"}\n{"text":"a","isPositive":false}'),
        "Line 2: .*other label",
    ),
    "a frozen line": (
        change("versions/2/samples.jsonl", b"\xff\n"),
        "versions/2/samples.jsonl: Line 1: .*UTF-8",
    ),
    "a card that is a list": (change("versions/1/card.json", b"[]"), "not an object"),
    "a deep card": (
        change("versions/1/card.json", b'{"x":' * 50 + b"1" + b"}" * 50),
        "nested too deeply",
    ),
}


@pytest.fixture(scope="module")
def whole(django_db_setup: None, django_db_blocker: Any) -> bytes:
    """A bundle, made once and rolled back."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        data = make_bundle()
        transaction.set_rollback(True)
    return data


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_words(case: str, whole: bytes) -> None:
    make, expected = HOSTILE[case]
    data = make(files_of(whole))
    before = stored()
    with pytest.raises((BundleError, RefusedError), match=f"(?s){expected}") as refused:
        import_bundle(data, by="")
    words = str(refused.value)
    assert len(words) < 500
    assert "Traceback" not in words
    if isinstance(refused.value, BundleError):
        assert refused.value.remedy
    assert stored() == before


def test_the_whole_one_is_fit(whole: bytes) -> None:
    """Or every refusal above could be another's."""
    assert import_bundle(sealed(files_of(whole)), by="").versions.count() == 2
    packed = zip_of(files_of(whole), zipfile.ZIP_DEFLATED)
    assert import_bundle(packed, by="", name="packed").versions.count() == 2


@pytest.mark.parametrize(
    ("bound", "value", "expected"),
    [("MAX_BYTES", 20_000, "unpacks to more"), ("MAX_ENTRIES", 4, "more than 4 files")],
)
def test_all_of_it_is_bounded_and_not_each_file_alone(
    bound: str, value: int, expected: str, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In what is read, and in what is written: no export that no import takes."""
    files = files_of(whole)
    packed = zip_of(files, zipfile.ZIP_DEFLATED)
    bundle = bundles.load(whole)
    assert len(packed) < 20_000 < len(whole)
    monkeypatch.setattr(containers, bound, value)
    with pytest.raises(BundleError, match=expected):
        bundles.load(packed)
    with pytest.raises(BundleError, match="Export fewer versions"):
        bundles.dump(bundle)


@hypothesis_settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_harmless(
    data: st.DataObject, whole: bytes
) -> None:
    """Any bytes changed, cut or put in: a BundleError, or the same content."""
    expected = bundles.load(whole)
    damaged = bytearray(whole)
    # Where a zip has its structure, and anywhere else.
    end = len(whole)
    places = st.one_of(
        st.integers(0, 200), st.integers(end - 600, end - 1), st.integers(0, end - 1)
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = min(data.draw(places), len(damaged) - 1)
        kind = data.draw(st.sampled_from("xic"))
        if kind == "x":
            damaged[place] = data.draw(st.integers(0, 255))
        elif kind == "i":
            damaged[place:place] = data.draw(st.binary(min_size=1, max_size=4))
        else:
            del damaged[place : place + data.draw(st.integers(1, 50))]
    try:
        found = bundles.load(bytes(damaged))
    except BundleError as error:
        assert error.remedy
    else:
        assert found == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path]
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value[:2])
        for key, inner in items:
            found += places(inner, (*path, key))
    return found


@hypothesis_settings(max_examples=300)
@given(data=st.data())
@example(data=None)
@pytest.mark.parametrize("path", ["bundle.json", "versions/1/card.json"])
def test_wrong_types_are_refused_or_harmless(
    path: str, data: st.DataObject | None, whole: bytes
) -> None:
    """Any JSON in the place of any other: a BundleError, or a bundle that dumps."""
    if data is None:
        return
    files = files_of(whole)
    value = json.loads(files[path])
    where = data.draw(st.sampled_from(places(value)))
    junk = data.draw(JSON)
    if not where:
        value = junk
    else:
        inner = value
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = junk
    files[path] = json.dumps(value).encode()
    packed = zip_of(files) if path == "bundle.json" else sealed(files)
    try:
        found = bundles.load(packed)
    except BundleError as error:
        assert error.remedy
    else:
        assert bundles.load(bundles.dump(found)) == found
