"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const [main, done] = [find("main"), find("done")];
  const seen = []; // places of the questions shown before this one
  let shown = null; // the question as the server sent it
  let busy = true;

  const say = (text) => { find("saved").textContent = text; };
  const warn = (text) => { find("alert").textContent = text; };
  const short = (text) => (text.length > 80 ? `${text.slice(0, 79)}\u2026` : text);

  const setBusy = (on) => {
    busy = on;
    main.setAttribute("aria-busy", String(on));
  };

  const ask = async (address, options) => {
    const answer = await fetch(address, { cache: "no-store", ...options });
    return { ok: answer.ok, status: answer.status, body: await answer.json() };
  };

  const button = (text, number) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "answer";
    const key = document.createElement("kbd");
    key.textContent = number;
    const words = document.createElement("span");
    words.className = "text";
    words.textContent = text;
    made.append(key, words);
    if (number <= 9) made.setAttribute("aria-keyshortcuts", String(number));
    made.setAttribute("aria-pressed", String(shown.label !== null && shown.label.gold === text));
    made.addEventListener("click", () => give(text));
    return made;
  };

  const show = (question) => {
    shown = question;
    const { labelled, of } = question;
    find("progress").textContent = `${labelled} of ${of} labelled`;
    find("bar").max = Math.max(1, of);
    find("bar").value = labelled;
    const over = question.at === null;
    main.hidden = over;
    done.hidden = !over;
    find("again").hidden = seen.length === 0;
    if (over) {
      done.querySelector("h2").focus();
      return;
    }
    find("group").textContent = question.group ?? "";
    find("question").textContent = question.question;
    const long = question.answers.some((text) => text.length > 120 || text.includes("\n"));
    find("answers").className = long ? "answers long" : "answers";
    find("answers").replaceChildren(...question.answers.map((text, at) => button(text, at + 1)));
    find("none").setAttribute("aria-pressed", String(question.label !== null && question.label.gold === null));
    const typed = question.label?.gold ?? "";
    find("text").value = question.answers.includes(typed) ? "" : typed;
    find("back").disabled = seen.length === 0;
    find("question").scrollTop = 0;
    find("question").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  };

  const load = async (query) => {
    setBusy(true);
    try {
      show((await ask(`question.json?${query}`)).body);
      warn("");
    } catch {
      warn("The command that serves this page has ended. Start it again to go on; all labels are written.");
    }
    setBusy(false);
  };

  const give = async (gold) => {
    if (busy || shown === null || shown.at === null) return;
    setBusy(true);
    const { at } = shown;
    let taken;
    try {
      taken = await ask("label.json", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ at, gold, instead_of: shown.label }),
      });
    } catch {
      setBusy(false);
      warn("The command that serves this page has ended, so this label was not written. Start it again.");
      return;
    }
    setBusy(false);
    if (!taken.ok && taken.status !== 409) {
      warn(taken.body.error);
      return;
    }
    say(taken.ok ? `Written: ${gold === null ? "none of these" : short(gold)}` : taken.body.error);
    seen.push(at);
    await load(`from=${at + 1}`);
  };

  const skip = () => {
    if (busy || shown === null || shown.at === null) return;
    seen.push(shown.at);
    say("Skipped");
    load(`from=${shown.at + 1}`);
  };

  const back = () => {
    if (busy || seen.length === 0) return;
    say("");
    load(`at=${seen.pop()}`);
  };

  find("none").addEventListener("click", () => give(null));
  find("skip").addEventListener("click", skip);
  find("back").addEventListener("click", back);
  find("again").addEventListener("click", back);
  find("typed").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = find("text").value.trim();
    if (text) give(text);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target instanceof HTMLInputElement) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if (/^[1-9]$/.test(key)) {
      const text = shown?.answers?.[Number(key) - 1];
      if (text !== undefined) give(text);
    } else if (key === "0") give(null);
    else if (key === "s") skip();
    else if (key === "b") back();
    else if (key === "t" && !main.hidden) {
      event.preventDefault();
      find("text").focus();
    }
  });
  load("from=0");
})();
