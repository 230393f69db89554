// Times: <time data-age> says how long ago by the server's clock, <time data-moment> says when
// in the viewer's zone. The server's text stays readable where this never runs.
const language = document.documentElement.lang || "en";
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" });
const moment = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" });
const STEPS = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86400, 3600, "hour"],
  [Infinity, 86400, "day"],
];

const serverTime = Number(document.querySelector('meta[name="server-time"]')?.content) || 0;
let skewMilliseconds = serverTime ? serverTime * 1000 - Date.now() : 0;

export function learnServerTime(date) {
  const at = Date.parse(date || "");
  if (at) skewMilliseconds = at - Date.now();
}

export function age(seconds) {
  if (seconds < 1) return moment.format(0, "second");
  const [, size, unit] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return relative.format(-Math.trunc(seconds / size), unit);
}

function draw() {
  const now = Date.now() + skewMilliseconds;
  for (const element of document.querySelectorAll("time[data-age], time[data-moment]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    const when = exact.format(at);
    const text = "age" in element.dataset ? age(Math.max(0, (now - at) / 1000)) : when;
    if (element.textContent !== text) element.textContent = text;
    if (element.title !== when) element.title = when;
  }
}

export function startAges() {
  draw();
  setInterval(() => document.hidden || draw(), 1000);
  document.addEventListener("visibilitychange", draw);
  document.addEventListener("htmx:afterSettle", draw);
  return draw;
}
