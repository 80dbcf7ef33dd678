// The clipboard, and a way round it.

import { h } from "./dom.js";

/** Put text into the clipboard; where the browser does not let the page, show it to be copied by hand. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    showText(text);
    return false;
  }
}

function showText(text) {
  const area = h("textarea", { rows: 14, readonly: true, "aria-label": "JSON" });
  area.value = text;
  const close = h("button.button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog.card", { "aria-label": "Copy as JSON", onclose: () => dialog.remove() }, area, close);
  document.body.append(dialog);
  dialog.showModal();
  area.select();
}
