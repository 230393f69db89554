// Behaviour that every page shares. Nothing here knows a page: it acts on data attributes.
import { startAges } from "./ages.js";
import { startLive } from "./live.js";
import { startControls } from "./controls.js";

const announcer = document.getElementById("announcer");

function announce(text) {
  announcer.textContent = text;
}

const drawAges = startAges();
startControls(announce);
startLive(announce, drawAges);
