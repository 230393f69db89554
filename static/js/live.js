// The page's socket as people see it: pushes while it is up, an amber bar and polling while it is
// down, a fresh connection where the socket library gives up. The database is the truth, so
// every poll and every reconnect draws all fragments anew.
import { learnServerTime } from "./ages.js";

const GRACE_SECONDS = 5;
const SILENCE_SECONDS = 150; // the server sends everything each 60 s: two of those were lost
const SIGNED_OUT = 4401;
const BAD_PAGE = 4400;
const LIBRARY_RECONNECTS = [1006, 1011, 1012, 1013];

export function startLive(announce, drawAges) {
  const live = document.getElementById("live");
  if (!live) return;
  const bar = document.getElementById("stale-bar");
  const state = { downSince: Date.now(), freshAt: Date.now(), heardAt: Date.now(), socket: null };
  let timers = [];

  // A morph must never take what a person types or has opened.
  Idiomorph.defaults.ignoreActiveValue = true;
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = keepsOpen;

  function show(text) {
    bar.querySelector("span").textContent = text.replace("{time}", clock(state.freshAt));
    if (bar.hidden) announce(bar.querySelector("span").textContent);
    bar.hidden = false;
    document.body.classList.add("is-stale");
  }

  // The server sends everything on connect, so a socket is up once it has spoken: one that is
  // taken and dropped again, as by a proxy in trouble, must not keep the page from polling.
  function heard(event) {
    state.socket = event.detail.socketWrapper ?? state.socket;
    state.freshAt = state.heardAt = Date.now();
    if (state.downSince) back();
    drawAges();
  }

  function back() {
    state.downSince = null;
    timers.forEach(clearInterval);
    timers = [];
    if (!bar.hidden) announce(bar.dataset.back);
    bar.hidden = true;
    document.body.classList.remove("is-stale");
  }

  function closed(event) {
    const code = event.detail.event?.code;
    if (code === BAD_PAGE) return location.reload();
    if (code === SIGNED_OUT) return signedOut();
    state.downSince ??= Date.now();
    const wrapper = event.detail.socketWrapper;
    if (!LIBRARY_RECONNECTS.includes(code) && wrapper) {
      setTimeout(() => wrapper.reconnect(), 1000 + Math.random() * 4000);
    }
    watch();
  }

  function watch() {
    if (timers.length) return;
    timers = [
      setTimeout(() => state.downSince && show(bar.dataset.text), GRACE_SECONDS * 1000),
      setTimeout(poll, GRACE_SECONDS * 1000),
      setInterval(poll, Number(live.dataset.pollSeconds || 10) * 1000),
    ];
  }

  async function poll() {
    if (!state.downSince || document.hidden) return;
    try {
      const answer = await fetch(live.dataset.poll, { headers: { Accept: "application/json" } });
      if (answer.status === 401) return signedOut();
      if (!answer.ok) return show(bar.dataset.text);
      const { fragments } = await answer.json();
      if (!state.downSince) return; // the socket came back while this was under way
      learnServerTime(answer.headers.get("Date"));
      // One swap for each: table rows vanish when they are parsed beside other elements.
      for (const html of fragments) htmx.swap(live, html, { swapStyle: "none" });
      state.freshAt = Date.now();
      drawAges();
      show(bar.dataset.polling);
    } catch {
      show(bar.dataset.text);
    }
  }

  function signedOut() {
    timers.forEach(clearInterval);
    timers = [0];
    live.removeAttribute("ws-connect");
    show(bar.dataset.signedOut);
  }

  live.addEventListener("htmx:wsOpen", (event) => {
    state.socket = event.detail.socketWrapper;
  });
  live.addEventListener("htmx:wsClose", closed);
  live.addEventListener("htmx:wsAfterMessage", heard);
  watch();
  // A half-open connection reports nothing: silence is the only sign.
  setInterval(() => {
    const silent = Date.now() - state.heardAt > SILENCE_SECONDS * 1000;
    if (silent && !state.downSince && state.socket) {
      state.heardAt = Date.now();
      state.socket.reconnect();
    }
  }, 10_000);
  document.addEventListener("visibilitychange", () => document.hidden || poll());
}

function keepsOpen(name, node) {
  return !(name === "open" && node.tagName === "DETAILS");
}

function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString([], { hour12: false });
}
