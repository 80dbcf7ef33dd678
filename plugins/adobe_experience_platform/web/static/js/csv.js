// Tables for spreadsheets.

/** Return CSV text (RFC 4180) of rows of values. */
export function csv(rows) {
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  return `"${guarded(String(value)).replaceAll('"', '""')}"`;
}

/**
 * A spreadsheet runs text that begins with one of these signs as a formula, also in full width and after what takes no
 * room; one that takes semicolons or tabs for the ends of cells begins there anew.
 */
function guarded(text) {
  const [sign, blank] = ["[=+\\-@＝＋－＠|%]", "[\\s\\p{Cc}\\p{Cf}\"']*"];
  const inner = text.replace(new RegExp(`([;\t\r\n]${blank})(?=${sign})`, "gu"), "$1'");
  return new RegExp(`^(?:[\t\r\n]|${blank}${sign})`, "u").test(text) ? `'${inner}` : inner;
}

/** Let the browser save text as a file; a spreadsheet wants to be told that a table is Unicode. */
export function save(name, text, type = "text/csv") {
  const mark = type === "text/csv" ? "\ufeff" : "";
  const url = URL.createObjectURL(new Blob([mark, text], { type: `${type};charset=utf-8` }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
