"use strict";

// The slider walks over the rows of the table of thresholds, which holds all the
// numbers. The page works without this script: the table is open then.
const slider = document.getElementById("cs-threshold");

if (slider) {
    const details = document.getElementById("cs-thresholds");
    const rows = details.querySelectorAll("tbody tr");
    const explorer = document.getElementById("cs-explorer");
    const dot = explorer.querySelector(".cs-dot");

    const show = () => {
        const row = rows[Number(slider.value)];
        for (const place of explorer.querySelectorAll("[data-cs]")) {
            place.textContent = row.querySelector(`[data-cs="${place.dataset.cs}"]`).textContent;
        }
        document.getElementById("cs-now").textContent =
            row.querySelector("[data-cs='threshold']").textContent;
        slider.setAttribute("aria-valuetext", row.dataset.words);
        // Where nothing is flagged there is no precision, and no point on the curve.
        const hasPlace = "x" in row.dataset;
        if (dot) {
            dot.classList.toggle("cs-gone", !hasPlace);
            if (hasPlace) {
                dot.setAttribute("cx", row.dataset.x);
                dot.setAttribute("cy", row.dataset.y);
            }
        }
    };

    slider.addEventListener("input", show);
    document.getElementById("cs-slider").hidden = false;
    details.open = false;
    show();
}
