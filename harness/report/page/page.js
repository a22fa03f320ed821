"use strict";
// Filters, and opening the cell that a link leads to. Everything is readable without this.
(() => {
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll("#cells > tbody")];
  const shown = document.getElementById("shown");

  const apply = () => {
    const wanted = new FormData(form);
    let count = 0;
    for (const row of rows) {
      const fits =
        ["all", row.dataset.state].includes(wanted.get("state")) &&
        ["client", "protocol"].every((key) => !wanted.get(key) || wanted.get(key) === row.dataset[key]);
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} lines`;
  };

  const open = () => {
    const row = document.getElementById(location.hash.slice(1));
    const details = row && row.querySelector("details");
    if (!details) return;
    row.hidden = false;
    details.open = true;
    row.scrollIntoView();
  };

  form.hidden = false;
  form.addEventListener("input", apply);
  window.addEventListener("hashchange", open);
  apply();
  open();
})();
