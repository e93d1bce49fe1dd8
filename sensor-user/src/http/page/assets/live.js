"use strict";
// Replaces the content of an open page when the agent has something new. Without this script the page is reloaded by hand.

const main = document.getElementById("main");
const state = document.getElementById("live-state");
let busy = false;

// Whoever reads with a selection, has typed something, or has a link in focus is not disturbed.
function isTypedInto(input) {
  return input.value !== input.defaultValue;
}

function isInUse() {
  const active = document.activeElement;
  const selection = document.getSelection();
  if ([...main.querySelectorAll("input")].some(isTypedInto)) return true;
  return document.hidden || (active !== main && main.contains(active)) || (selection && !selection.isCollapsed);
}

async function refresh() {
  if (busy || isInUse()) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    if (fresh && !isInUse()) main.replaceChildren(...fresh.childNodes);
    state.textContent = "live";
  } catch {
    state.textContent = "not live: the sensor does not answer";
  } finally {
    busy = false;
  }
}

const events = new EventSource("/live");
events.addEventListener("open", () => { state.textContent = "live"; });
events.addEventListener("changed", refresh);
events.addEventListener("tick", () => { if (main.dataset.live === "always") refresh(); });
events.addEventListener("error", () => { state.textContent = "not live: connecting again"; });
window.addEventListener("pagehide", () => events.close());
