"use strict";
/* Uploads files, saves the answers of a quiz, and refreshes elements marked data-live by fetching the page again.
   Everything else works without. */
(() => {
  const announcer = document.getElementById("said");

  function say(text) {
    if (text && announcer.textContent !== text) announcer.textContent = text;
  }

  /* Updates `old` to match `fresh`, changing only what differs: no flicker; focus and checkboxes stay. */
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((child, place) => {
      if (place < before.length) morph(before[place], child);
      else old.append(document.importNode(child, true));
    });
    before.slice(after.length).forEach((child) => child.remove());
  }

  async function part(url, id) {
    const response = await fetch(url, { headers: { accept: "text/html" } });
    if (!response.ok || new URL(response.url).pathname === "/login") {
      const error = new Error(String(response.status));
      error.wait = Number(response.headers.get("retry-after")) || 0;
      error.over = response.ok || (response.status < 500 && response.status !== 429);
      throw error;
    }
    const found = new DOMParser().parseFromString(await response.text(), "text/html");
    return found.getElementById(id);
  }

  /* Refreshes the element: soon at first, then less and less often, and not while the page is hidden. */
  function live(element, url) {
    let wait = Number(element.dataset.live);
    if (!wait) return;
    let timer = 0;
    const plan = () => {
      timer = setTimeout(look, wait * (900 + 200 * Math.random()));
    };
    async function look() {
      if (!element.isConnected) return;
      if (document.hidden) {
        document.addEventListener("visibilitychange", look, { once: true });
        return;
      }
      const most = Number(element.dataset.most);
      try {
        const address = url();
        const fresh = await part(address, "live");
        if (!fresh || address !== url()) return plan();
        morph(element, fresh);
        say(element.dataset.say);
        if (!fresh.dataset.live) return done();
        wait = Math.min(wait * 1.5, most);
      } catch (error) {
        if (error.over) return undefined;
        wait = Math.max(Math.min(wait * 2, 60), error.wait || 0);
      }
      return plan();
    }
    plan();
  }

  /* Once there is a result, the remaining submissions may have changed. */
  async function done() {
    const clocks = document.getElementById("clocks");
    if (!clocks) return;
    try {
      const fresh = await part(location.href, "clocks");
      if (fresh) morph(clocks, fresh);
    } catch {
      /* the next page load shows them */
    }
  }

  const standing = document.getElementById("live");
  if (standing) live(standing, () => location.href);

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-soft]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const address = link.href;
    const place = [...document.querySelectorAll("a[data-soft]")].indexOf(link);
    try {
      const fresh = await part(address, "live");
      history.replaceState(null, "", address);
      morph(document.getElementById("live"), fresh);
      const again = document.querySelectorAll("a[data-soft]")[place];
      again.focus();
      say(`${again.textContent.replace(/[▲▼]/g, "").trim()}: ${again.parentElement.getAttribute("aria-sort")}`);
    } catch {
      location.href = address;
    }
  });

  /* A text file can be read into a field that would else be typed or pasted. */
  for (const chosen of document.querySelectorAll("input[data-into]")) {
    chosen.parentElement.hidden = false;
    chosen.addEventListener("change", async () => {
      if (chosen.files[0]) document.getElementById(chosen.dataset.into).value = await chosen.files[0].text();
    });
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      say("Copied.");
      button.textContent = "Copied";
    });
  }

  const outcome = document.getElementById("outcome");
  if (outcome) outcome.focus();

  const quiz = document.getElementById("quiz");
  if (quiz) saving(quiz, document.getElementById("saved"));

  /* Saves each question once it is changed, one request after the other; what fails is tried again. */
  function saving(quiz, status) {
    const changed = new Set();
    const seen = quiz.elements.revision;
    let busy = false;
    let go = null; /* the button that was pressed meanwhile */
    quiz.addEventListener("submit", (event) => {
      if (!busy && !changed.size) return;
      event.preventDefault();
      go = event.submitter;
    });
    quiz.addEventListener("change", (event) => {
      changed.add(event.target.closest("fieldset"));
      save();
    });

    async function save() {
      if (busy || !changed.size) return;
      busy = true;
      const fields = [...changed];
      changed.clear();
      const body = new URLSearchParams({ revision: seen.value });
      for (const field of fields) {
        body.append("question", field.dataset.question);
        for (const box of field.querySelectorAll("input:checked")) body.append(box.name, box.value);
      }
      let wait = 0;
      try {
        const response = await fetch(quiz.dataset.save, { method: "POST", body });
        const told = await response.json();
        if (response.ok) {
          if (told.revision === Number(seen.value) + 1) seen.value = told.revision;
          const mine = told.revision <= Number(seen.value);
          status.textContent = mine
            ? "Saved; not handed in yet."
            : "Saved. Other answers were changed in another tab or by your team: reload the page to see them.";
        } else {
          status.textContent = `Not saved: ${told.error.message}`;
          if (response.status >= 500 || response.status === 429) wait = 5;
        }
      } catch {
        status.textContent = "Not saved: no connection. It is tried again.";
        wait = 5;
      }
      if (go) {
        changed.clear(); /* the form has everything */
        busy = false;
        quiz.requestSubmit(go);
        go = null;
        return;
      }
      if (wait) fields.forEach((field) => changed.add(field));
      setTimeout(() => {
        busy = false;
        save();
      }, wait * 1000);
    }
  }

  const form = document.getElementById("hand-in");
  if (!form) return;

  const input = document.getElementById("file");
  const drop = document.getElementById("drop");
  const chosen = document.getElementById("chosen");
  const refusal = document.getElementById("refusal");
  const bar = document.getElementById("sent");
  const button = form.querySelector("button");
  const result = document.getElementById("result");
  const message = document.getElementById("message");
  form.hidden = false;

  const size = (bytes) =>
    bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  function refuse(text) {
    refusal.replaceChildren();
    for (const line of text ? text.split("\n") : []) {
      const shown = document.createElement("p");
      shown.className = "problem";
      shown.textContent = line;
      refusal.append(shown);
    }
  }

  function fits() {
    const file = input.files[0];
    const most = Number(form.dataset.most);
    chosen.textContent = file ? `${file.name.replace(/[\p{C}]/gu, "?")} · ${size(file.size)}` : "";
    refuse(file && file.size > most ? `This file is too large: ${size(file.size)}; at most ${size(most)} are accepted.` : "");
    return file && file.size <= most;
  }

  input.addEventListener("change", fits);
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  window.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!event.dataTransfer || !event.dataTransfer.files.length) return;
    if (event.dataTransfer.files.length > 1) return refuse("Drop only one file.");
    input.files = event.dataTransfer.files;
    return fits();
  });

  function written(text) {
    try {
      return encodeURIComponent(text);
    } catch {
      return "submission";
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!fits()) return;
    const file = input.files[0];
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Filename", written(file.name));
    if (message) request.setRequestHeader("X-Message", written(message.value));
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) bar.value = sent.loaded / sent.total;
    });
    request.addEventListener("load", () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        /* not an answer of this server */
      }
      ended();
      if (form.dataset.next && (request.status === 200 || request.status === 201)) {
        location.assign(`${form.dataset.next}?done=${body.attachment.id}${body.again ? "&again=1" : ""}`);
      } else if (request.status === 200 || request.status === 202) accepted(body);
      else if (body.error) refuse(body.error.message);
      else refuse(`No valid answer from the server (${request.status}). Send it again: the same file never counts twice.`);
    });
    request.addEventListener("error", () => {
      ended();
      refuse("The network failed. Send it again when it is back: the same file never counts twice.");
    });
    refuse("");
    button.disabled = true;
    bar.value = 0;
    bar.hidden = false;
    say("Uploading.");
    request.send(file);
  });

  function ended() {
    button.disabled = false;
    bar.hidden = true;
  }

  async function accepted(body) {
    const address = `/submissions/${body.submission}`;
    say(body.again ? `This file was already submission ${body.submission}; no slot was used.` : "Accepted.");
    result.hidden = false;
    result.replaceChildren();
    const link = document.createElement("a");
    link.href = address;
    link.textContent = `Submission ${body.submission} is accepted.`;
    result.append(link);
    done();
    try {
      const found = document.importNode(await part(address, "live"), true);
      if (body.again) {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = `This file was already submitted as submission ${body.submission}; no slot was used.`;
        result.replaceChildren(note, found);
      } else result.replaceChildren(found);
      say(found.dataset.say);
      live(found, () => address);
    } catch {
      /* the link is already shown */
    }
    result.scrollIntoView({ block: "nearest" });
    result.focus({ preventScroll: true });
  }
})();
