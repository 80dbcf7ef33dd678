// A light in the window's title while something runs: Airflow's own title gets a sign in front of it.

const SIGN = "● ";

/** Switch the light on or off; Airflow may have put another title there meanwhile. */
export function light(isOn) {
  for (const page of new Set([document, window.parent.document])) {
    const plain = page.title.startsWith(SIGN) ? page.title.slice(SIGN.length) : page.title;
    const title = isOn ? SIGN + plain : plain;
    if (page.title !== title) page.title = title;
  }
}

window.addEventListener("pagehide", () => light(false));
