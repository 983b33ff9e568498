"use strict";

// While the server reads a large file, say so. The page works without this script.
for (const form of document.querySelectorAll("#content-main form")) {
    form.addEventListener("submit", () => {
        document.getElementById("cs-working").hidden = false;
    });
}
window.addEventListener("pageshow", () => {
    document.getElementById("cs-working").hidden = true;
});
