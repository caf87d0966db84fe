// The panel's own manners: polls that replace parts, ages that grow, the halt dialog, keys.
(() => {
  "use strict";
  const LOST_AFTER = 10000;
  const POLL_LIMIT = 4000;
  const KEYS_OFF = "crpbotKeysOff";
  let lastHeard = performance.now();
  let waitingForLetter = 0;

  // --- words of a length of time; the same as the server's
  const span = (seconds) => {
    const whole = Math.max(Math.floor(seconds), 0);
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    const rest = whole % 60;
    if (minutes < 60) return rest && minutes < 10 ? `${minutes} min ${rest} s` : `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
  };
  const two = (number) => String(number).padStart(2, "0");
  const clockText = (seconds) => {
    const day = ((seconds % 86400) + 86400) % 86400;
    return `${two(Math.floor(day / 3600))}:${two(Math.floor(day / 60) % 60)}:${two(day % 60)}`;
  };

  // --- ages and clocks grow on the browser's monotonic clock, also while polls fail
  const born = new WeakMap();
  const sinceSeen = (element, now) => {
    if (!born.has(element)) born.set(element, now);
    return now - born.get(element);
  };
  const grow = () => {
    const now = performance.now();
    for (const element of document.querySelectorAll("time[data-age]")) {
      const seconds = (Number(element.dataset.age) + sinceSeen(element, now)) / 1000;
      const promise = Number(element.dataset.promise);
      const state = seconds <= promise ? "fresh" : seconds < 4 * promise ? "stale" : "lost";
      const old = state !== "fresh" || "long" in element.dataset ? " old" : "";
      const text = span(seconds) + old;
      if (element.textContent !== text) element.textContent = text;
      const name = `age age-${state}`;
      if (element.className !== name) element.className = name;
    }
    for (const element of document.querySelectorAll("[data-clock]")) {
      const [hours, minutes, seconds] = element.dataset.clock.split(":").map(Number);
      element.textContent = clockText(hours * 3600 + minutes * 60 + seconds + Math.floor(sinceSeen(element, now) / 1000));
    }
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const left = Math.max(Number(element.dataset.countdown) - Math.floor(sinceSeen(element, now) / 1000), 0);
      element.textContent = `${Math.floor(left / 3600)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
    }
    showLost(now - lastHeard > LOST_AFTER);
  };

  const showLost = (lost) => {
    const bar = document.getElementById("bar");
    if (!bar || bar.classList.contains("bar-is-lost") === lost) return;
    bar.classList.toggle("bar-is-lost", lost);
    bar.querySelector(".bar-lost").hidden = !lost;
  };
  const isLost = () => performance.now() - lastHeard > LOST_AFTER;

  // --- polls: every part of the answer replaces the part of the same name
  const speak = (text) => {
    const voice = document.querySelector("[data-spoken]");
    if (voice && voice.dataset.last !== text) {
      if (voice.dataset.last) voice.textContent = text;
      voice.dataset.last = text;
    }
  };
  const inUse = (part) =>
    part.contains(document.activeElement) && document.activeElement !== document.body || part.querySelector("details[open]");
  const replaceParts = (html, only) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of fresh.querySelectorAll("[data-part]")) {
      if (only && part.dataset.part !== only) continue;
      const present = document.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!present || present.innerHTML === part.innerHTML) continue;
      if (part.dataset.part === "verdict" && present.textContent === part.textContent) continue;
      if (inUse(present)) continue;
      present.replaceWith(document.adoptNode(part));
    }
    const facts = document.querySelector("[data-part=bar]");
    if (facts) {
      document.getElementById("bar").classList.toggle("bar-danger", facts.dataset.danger === "1");
      speak(facts.dataset.say);
    }
  };
  const account = new URLSearchParams(location.search).get("account");
  const poll = async (place) => {
    const url = new URL(place.dataset.poll, location.href);
    if (account) url.searchParams.set("account", account);
    const stop = new AbortController();
    const limit = setTimeout(() => stop.abort(), POLL_LIMIT);
    try {
      const answer = await fetch(url, { signal: stop.signal, redirect: "error", cache: "no-store", headers: { "X-Panel": "poll" } });
      if (!answer.ok) return;
      replaceParts(await answer.text());
      lastHeard = performance.now();
    } catch (error) {
      // Nothing is done: the page says so by its ages, and after ten seconds in words.
    } finally {
      clearTimeout(limit);
    }
  };
  const keepPolling = () => {
    const places = [...document.querySelectorAll("[data-poll]")];
    // The overview's answer carries the bar as well; two polls for one figure would be one too many.
    const main = places.find((place) => place.id !== "bar") || places[0];
    if (!main) return;
    const turn = async () => {
      await poll(main);
      setTimeout(turn, Number(main.dataset.every));
    };
    setTimeout(turn, Number(main.dataset.every));
    document.addEventListener("visibilitychange", () => document.hidden || poll(main));
  };

  // --- dialogs
  const openDialog = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open || document.querySelector("dialog[open]")) return false;
    dialog.showModal();
    const first = dialog.querySelector("[data-focus]");
    if (first) first.focus();
    return true;
  };
  const askHalt = () => {
    const button = document.querySelector("[data-halt]");
    if (!button) return;
    if (isLost() || !openDialog("halt-dialog")) location.assign(button.href);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-halt]");
    if (link && !isLost() && openDialog("halt-dialog")) event.preventDefault();
    const close = event.target.closest("[data-close]");
    if (close) close.closest("dialog").close();
    if (event.target.closest("[data-theme-switch]")) switchTheme();
  });
  const switchTheme = () => {
    const dark = !document.documentElement.classList.contains("dark");
    localStorage.setItem("adminTheme", JSON.stringify(dark ? "dark" : "light"));
    document.documentElement.classList.toggle("dark", dark);
  };

  // --- keys; off in fields, and by a switch
  const PLACES = { o: "Overview", s: "Signals", w: "Why nothing?", h: "Health", r: "Risk", t: "Trades", e: "Events" };
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  const keysOff = () => localStorage.getItem(KEYS_OFF) === "1";
  const go = (selector) => {
    const link = document.querySelector(selector);
    if (link) location.assign(link.href);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keysOff() || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key;
    if (performance.now() < waitingForLetter) {
      waitingForLetter = 0;
      if (PLACES[key.toLowerCase()]) return go(`[data-nav="${PLACES[key.toLowerCase()]}"]`);
    }
    if (key === "H" && event.shiftKey) {
      event.preventDefault();
      askHalt();
    } else if (key === "?") openDialog("keys-dialog");
    else if (key === "g") waitingForLetter = performance.now() + 1500;
    else if (key === "j") go("[data-key=before]");
    else if (key === "k") go("[data-key=after]");
    else if (key === "t") for (const table of document.querySelectorAll(".table-behind")) table.open = !table.open;
  });
  const keysSwitch = document.querySelector("[data-keys-switch]");
  if (keysSwitch) {
    keysSwitch.checked = !keysOff();
    keysSwitch.addEventListener("change", () => localStorage.setItem(KEYS_OFF, keysSwitch.checked ? "0" : "1"));
  }

  // --- a guarded button names what is missing: a reason, the word to type, a figure
  for (const form of document.querySelectorAll("[data-confirm]")) {
    const button = form.querySelector("[data-confirm-button]");
    const word = form.dataset.confirm;
    const title = button.textContent.trim();
    const say = () => {
      const missing = [];
      if (!form.elements.reason.value.trim()) missing.push("a reason");
      if (form.elements.phrase.value !== word) missing.push(`the word ${word}`);
      button.textContent = missing.length ? `${form.dataset.word || title}: ${missing.join(" and ")} to go` : title;
      button.classList.toggle("btn-dashed", missing.length > 0);
      button.disabled = missing.length > 0;
    };
    form.addEventListener("input", say);
    say();
  }

  // --- what takes a second to work out is asked for after the page has been shown
  const loadLater = async () => {
    for (const place of document.querySelectorAll("[data-load]")) {
      try {
        const answer = await fetch(place.dataset.load, { redirect: "error", headers: { "X-Panel": "load" } });
        if (answer.ok) replaceParts(await answer.text(), place.closest("[data-part]").dataset.part);
      } catch (error) {
        // The link in its place still leads there.
      }
    }
  };

  setInterval(grow, 500);
  grow();
  keepPolling();
  loadLater();
})();
