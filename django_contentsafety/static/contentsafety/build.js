"use strict";

// A build's page moves by itself: the server renders the part that changes, and this
// puts it in the place of the old one. Without it the page is reloaded by hand.
document.addEventListener("DOMContentLoaded", () => {
    // Milliseconds; a site that doesn't answer is asked less and less often.
    const LONGEST = 60000;
    const place = document.getElementById("cs-moving");
    const said = document.getElementById("cs-said");
    const still = document.getElementById("cs-still");
    if (!place) {
        return;
    }
    let timer = 0;
    let failures = 0;
    let asking = false;

    const now = () => place.firstElementChild;

    function later() {
        clearTimeout(timer);
        if (!now().dataset.movingUrl || document.hidden) {
            return;
        }
        const wait = Number(now().dataset.movingWait) * 2 ** Math.min(failures, 6);
        timer = setTimeout(ask, Math.min(wait, LONGEST));
    }

    async function ask() {
        if (asking) {
            return;
        }
        asking = true;
        const stop = new AbortController();
        const patience = setTimeout(() => stop.abort(), 20000);
        try {
            const answer = await fetch(now().dataset.movingUrl, {
                credentials: "same-origin",
                redirect: "error",
                signal: stop.signal,
            });
            if (answer.status === 403 || answer.status === 404) {
                // No more to be seen: the page as it is now says why.
                location.reload();
                return;
            }
            if (!answer.ok) {
                throw new Error(answer.status);
            }
            show(await answer.text());
            failures = 0;
        } catch {
            failures += 1;
        } finally {
            clearTimeout(patience);
            asking = false;
        }
        still.hidden = failures < 2;
        still.textContent = still.hidden ? "" : still.dataset.lost;
        later();
    }

    function show(html) {
        const fresh = new DOMParser().parseFromString(html, "text/html");
        const part = fresh.body.firstElementChild;
        if (!part || part.dataset.movingUrl === undefined) {
            throw new Error("another page");
        }
        const before = now().dataset.says;
        const focused = place.contains(document.activeElement)
            ? document.activeElement.id
            : "";
        place.replaceChildren(document.adoptNode(part));
        if (focused) {
            (document.getElementById(focused) || place).focus();
        }
        // Said only where it is news: a screen reader isn't to hear every percent.
        if (part.dataset.says !== before) {
            said.textContent = part.dataset.says;
        }
    }

    place.tabIndex = -1;
    document.addEventListener("visibilitychange", () => {
        if (document.hidden) {
            clearTimeout(timer);
        } else if (now().dataset.movingUrl) {
            ask();
        }
    });
    later();
});
