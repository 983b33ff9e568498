"""Blocklists: lists of terms that ``text:analyze`` looks for."""

from __future__ import annotations

from uuid import uuid4

from ..fault_server import Reply
from . import limits
from .call import Call, route
from .dialects import EVERY
from .paging import page
from .state import Blocklist, Item
from .wire import empty, invalid, json_reply, only, refused, text_of


def put(call: Call) -> Reply:
    """Make one, or describe it anew."""
    name, held = call.parts["name"], call.state.blocklists
    data = only(call.data, "blocklistName", "description")
    if len(name) > limits.MAX_NAME or not limits.BLOCKLIST_NAME.fullmatch(name):
        raise refused(400, "InvalidResourceName", "The name has wrong characters.")
    if data.get("blocklistName", name) != name:
        raise invalid("blocklistName must be the name in the path.")
    is_new = name not in held
    blocklist = held.setdefault(name, Blocklist(name=name))
    if "description" in data:
        blocklist.description = text_of(
            data, "description", limits.MAX_DESCRIPTION, shortest=0
        )
    return json_reply(_shown(blocklist), 201 if is_new else 200)


def look(call: Call) -> Reply:
    """One of them."""
    return json_reply(_shown(_find(call)))


def list_all(call: Call) -> Reply:
    """All of them, in pages."""
    held = [one for _, one in sorted(call.state.blocklists.items())]
    return page(call, held, _shown, most=call.service.page_size)


def remove(call: Call) -> Reply:
    """The list with its items."""
    del call.state.blocklists[_find(call).name]
    return empty(204)


def add(call: Call) -> Reply:
    """Items; one whose text is there already keeps its id."""
    blocklist, sent = _find(call), call.batch("blocklistItems")
    known = {item.text: item for item in blocklist.items.values()}
    since = call.service.clock() + call.service.propagation
    added = []
    for one in sent:
        data = only(one, "text", "description")
        text = text_of(data, "text", limits.MAX_TERM)
        item = known.get(text) or Item(id=str(uuid4()), text=text, since=since)
        if "description" in data:
            item.description = text_of(
                data, "description", limits.MAX_DESCRIPTION, shortest=0
            )
        known[text] = item
        added.append(item)
    others = sum(
        len(one.items) for one in call.state.blocklists.values() if one is not blocklist
    )
    if others + len(known) > limits.MAX_TERMS:
        raise call.assumed("too many terms", "There are too many terms.")
    blocklist.items = {item.id: item for item in known.values()}
    return json_reply({"blocklistItems": [_item(item) for item in added]})


def take(call: Call) -> Reply:
    """Items away, by their ids."""
    blocklist, ids = _find(call), call.batch("blocklistItemIds")
    if unknown := [id for id in ids if id not in blocklist.items]:
        raise refused(404, "ResourceNotFound", f"{len(unknown)} items are unknown.")
    for id in ids:
        del blocklist.items[id]
    return empty(204)


def items(call: Call) -> Reply:
    """A list's items, in pages."""
    held = list(_find(call).items.values())
    return page(call, held, _item, most=call.service.page_size)


def item(call: Call) -> Reply:
    """One item."""
    found = _find(call).items.get(call.parts["id"])
    if found is None:
        raise refused(404, "ResourceNotFound", "There is no such item.")
    return json_reply(_item(found))


def _find(call: Call) -> Blocklist:
    found = call.state.blocklists.get(call.parts["name"])
    if found is None:
        raise call.assumed("no such blocklist", "There is no such blocklist.")
    return found


def _shown(blocklist: Blocklist) -> dict[str, str]:
    return {
        "blocklistName": blocklist.name,
        "description": blocklist.description,
    }


def _item(item: Item) -> dict[str, str]:
    return {
        "blocklistItemId": item.id,
        "text": item.text,
        "description": item.description,
    }


ONE = "/text/blocklists/{name}"
ROUTES = [
    route("blocklists", "GET", "/text/blocklists", EVERY, list_all),
    route("blocklist", "PATCH", ONE, EVERY, put),
    route("look at blocklist", "GET", ONE, EVERY, look),
    route("remove blocklist", "DELETE", ONE, EVERY, remove),
    route("add items", "POST", ONE + ":addOrUpdateBlocklistItems", EVERY, add),
    route("remove items", "POST", ONE + ":removeBlocklistItems", EVERY, take),
    route("items", "GET", ONE + "/blocklistItems", EVERY, items),
    route("item", "GET", ONE + "/blocklistItems/{id}", EVERY, item),
]
