// A click on a column's head sorts a long table by it, another click the other way round; cells without a number last.
const LONG = 12;

function numberIn(cell) {
  const text = cell.textContent.trim();
  return /^-?\d/.test(text) ? parseFloat(text) : NaN;
}

function compare(a, b, sign) {
  const [m, n] = [numberIn(a), numberIn(b)];
  if (Number.isNaN(m) !== Number.isNaN(n)) return Number.isNaN(m) ? 1 : -1;
  if (!Number.isNaN(m)) return sign * (m - n);
  return sign * a.textContent.trim().localeCompare(b.textContent.trim(), "en");
}

function sortable(table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const turn = (head, column) => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = Array.from(body.rows);
    rows.sort((a, b) => compare(a.cells[column], b.cells[column], ascending ? 1 : -1));
    body.append(...rows);
  };
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.style.cursor = "pointer";
    head.title = "sort by this column";
    head.addEventListener("click", () => turn(head, column));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter") turn(head, column);
    });
  });
}

for (const table of document.querySelectorAll("article table")) {
  if (table.tHead && table.tBodies.length && table.tBodies[0].rows.length >= LONG) sortable(table);
}
