(() => {
  const SPAN = 10 * 60; // seconds shown
  const element = (id) => document.getElementById(id);
  const every = Number(document.body.dataset.every) * 1000;
  const looks = [];
  let paused = false;
  let compared = null;

  const number = (value, digits = 4) =>
    value === null || value === undefined
      ? "–"
      : new Intl.NumberFormat("en", { maximumSignificantDigits: digits }).format(value);
  const small = (value) => number(value, 3);
  const percent = (share) => `${Math.round(share * 100)}%`;

  function make(tag, attributes = {}, text = null) {
    const svg = ["svg", "line", "path", "text", "circle", "g"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== null) made.textContent = text;
    return made;
  }

  function sentence(now) {
    if (!now.questions) return "Nothing has been spent yet.";
    const spent = `${number(now.average)} ${now.cost_unit} per question`;
    if (now.target === null) return `${spent} over ${number(now.questions, 9)} questions; there is no target to hold.`;
    const off = now.average / now.target - 1;
    const where = Math.abs(off) < 0.005 ? "on target" : `${number(100 * Math.abs(off), 2)}% ${off > 0 ? "above" : "below"} target`;
    const slack = now.slack ? " The budget does not bind: even the most expensive choices spend less." : "";
    return `The average is ${where}: ${spent} of ${number(now.target)} allowed, over ${number(now.questions, 9)} questions.${slack}`;
  }

  function cards(now) {
    const off = now.target ? now.average / now.target - 1 : null;
    const shown = [
      {
        label: `Average (${now.cost_unit})`,
        value: number(now.average),
        note: off === null ? "no target" : `${off >= 0 ? "+" : "−"}${number(100 * Math.abs(off), 2)}% of ${number(now.target)}`,
        tone: off === null || Math.abs(off) < 0.02 ? "good" : off > 0 ? "bad" : "",
      },
      { label: "Price of compute", value: small(now.price), note: `accuracy a ${now.cost_unit.replace(/s$/, "")}` },
      { label: "In flight", value: number(now.in_flight, 9), note: `${number(now.reserved)} reserved` },
      { label: "Questions", value: number(now.questions, 9), note: `${number(now.spent)} ${now.cost_unit}` },
      {
        label: "Latest 1,000",
        value: number(now.recent_average),
        note: `worst ${number(now.worst_recent_average)}`,
      },
    ];
    if (now.credit !== null)
      shown.push({
        label: now.credit < 0 ? "Debt" : "Credit",
        value: number(Math.abs(now.credit), 3),
        note: now.slack ? "questions at the target: slack" : "questions at the target",
      });
    if (now.hard_cap !== null)
      shown.push({
        label: "Hard cap",
        value: percent((now.spent + now.held) / now.hard_cap),
        note: now.cap_closed ? "closed" : `of ${number(now.hard_cap)} held or spent`,
        tone: now.cap_closed ? "bad" : "",
      });
    if (now.quality) {
      const { accuracy, feedbacks, target, low, high, blind, limit } = now.quality;
      const floor = target === null ? "" : ` of ${number(target)} wanted`;
      const why = { budget: "the budget keeps it from more", actions: "the actions can do no more" }[limit];
      const graded = feedbacks ? `${number(feedbacks, 9)} graded, ${number(low, 3)} to ${number(high, 3)}` : "none graded";
      shown.push({
        label: "Accuracy",
        value: `${number(accuracy)}${floor}`,
        note: [graded, blind ? "flies blind: the price rests on predictions" : null, why].filter(Boolean).join("; "),
        tone: target === null || blind ? "" : high < target ? "bad" : "good",
      });
    }
    if (now.explored_questions)
      shown.push({
        label: "Explored",
        value: number(now.explored_questions, 9),
        note: `questions, ${number(now.explored_spent)} ${now.cost_unit}`,
      });
    element("cards").replaceChildren(
      ...shown.map(({ label, value, note, tone }) => {
        const card = make("div", { class: "card", "data-tone": tone || "" });
        card.append(make("div", { class: "label" }, label), make("div", { class: "value" }, value));
        card.append(make("div", { class: "note" }, note));
        return card;
      }),
    );
  }

  function estimate(value) {
    if (value === null) return "–";
    const interval = value.low === null ? "" : ` (${number(value.low, 3)} to ${number(value.high, 3)})`;
    return `${number(value.mean, 3)}${interval}`;
  }

  function savings(found, unit) {
    element("savings-section").hidden = !found || !found.questions;
    if (!found || !found.questions) return;
    const rows = [
      ["Preferred (a tie counts half)", estimate(found.quality), estimate(found.against_quality)],
      [`Cost (${unit})`, estimate(found.cost), estimate(found.against_cost)],
    ];
    element("savings").replaceChildren(
      ...rows.map(([name, own, other]) => {
        const row = make("tr");
        row.append(make("th", { scope: "row" }, name), make("td", {}, own), make("td", {}, other));
        return row;
      }),
    );
    element("savings-against").textContent = found.against;
    element("savings-total").textContent =
      `Saved: ${estimate(found.saved_total)} ${unit} on ${number(found.questions, 9)} questions. ` +
      `${number(found.judged, 9)} judged, ${number(found.open, 9)} open, ${number(found.dropped + found.refused, 9)} left out; ` +
      `${number(found.spent)} ${unit} spent on comparing${found.max_cost === null ? "" : ` of ${number(found.max_cost)}`}.`;
  }

  function alarms(found) {
    const texts = found.map((alarm) => alarm.text);
    const box = element("alarms");
    if (texts.join("\n") === [...box.children].map((item) => item.textContent).join("\n")) return;
    box.replaceChildren(...texts.map((text) => make("li", {}, text))); // a screen reader is told of changes alone
  }

  function ticks(low, high) {
    const rough = (high - low) / 3 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step / 1e6 ? 0 : at);
    return found;
  }

  function chart(id, name, value, { target = null, second = null, from0 = false, format = number } = {}) {
    const box = element(id);
    const width = box.clientWidth || 480;
    const height = 190;
    const edge = { left: 58, right: 14, top: 12, bottom: 24 };
    const last = looks[looks.length - 1].at;
    const shown = looks.filter((look) => look.at >= last - SPAN && value(look) !== null);
    const first = shown.length ? Math.min(shown[0].at, last - 30) : last - 30;
    const all = shown.map(value).concat(second ? shown.map(second) : [], target === null ? [] : [target]);
    if (!all.length) all.push(0);
    let low = from0 ? 0 : Math.min(...all);
    let high = Math.max(...all);
    const room = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1;
    high += room;
    if (!from0) low = Math.max(low - room, low >= 0 ? 0 : -Infinity);
    const x = (at) => edge.left + ((at - first) / (last - first || 1)) * (width - edge.left - edge.right);
    const y = (at) => height - edge.bottom - ((at - low) / (high - low || 1)) * (height - edge.top - edge.bottom);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}: ${format(value(shown[shown.length - 1] ?? looks[looks.length - 1]))} now` });
    for (const at of ticks(low, high)) {
      svg.append(make("line", { class: "grid", x1: edge.left, x2: width - edge.right, y1: y(at), y2: y(at) }));
      svg.append(make("text", { x: edge.left - 8, y: y(at) + 4, "text-anchor": "end" }, format(at)));
    }
    const ago = Math.round(last - first);
    svg.append(make("text", { x: edge.left, y: height - 6 }, ago >= 120 ? `${Math.round(ago / 60)} min ago` : `${ago} s ago`));
    svg.append(make("text", { x: width - edge.right, y: height - 6, "text-anchor": "end" }, "now"));
    if (target !== null) {
      svg.append(make("line", { class: "target", x1: edge.left, x2: width - edge.right, y1: y(target), y2: y(target) }));
      svg.append(make("text", { class: "target-label", x: edge.left + 6, y: y(target) - 6 }, `target ${format(target)}`));
    }
    const path = (of) => shown.map((look, at) => `${at ? "L" : "M"}${x(look.at).toFixed(1)} ${y(of(look)).toFixed(1)}`).join("");
    if (second) svg.append(make("path", { class: "second", d: path(second) }));
    if (shown.length) {
      const end = shown[shown.length - 1];
      if (from0) svg.append(make("path", { class: "area", d: `${path(value)}L${x(end.at)} ${y(0)}L${x(shown[0].at)} ${y(0)}Z` }));
      svg.append(make("path", { class: "line", d: path(value) }));
      svg.append(make("circle", { class: "end", cx: x(end.at), cy: y(value(end)), r: 4.5 }));
    }
    box.replaceChildren(svg);
  }

  function shares(now) {
    const sorted = Object.entries(now.actions).sort((a, b) => b[1] - a[1]);
    element("shares").replaceChildren(
      ...(sorted.length ? sorted : [["none named yet", 0]]).map(([name, share]) => {
        const row = make("div", { class: "share" });
        const track = make("div", { class: "track" });
        const bar = make("div", { class: "bar" });
        bar.style.width = percent(share);
        track.append(bar);
        row.append(make("span", { class: "name" }, name), track, make("span", { class: "number" }, percent(share)));
        return row;
      }),
    );
  }

  function rows(now) {
    const quality = Object.entries(now.quality ?? {}).map(([name, value]) => [`quality: ${name}`, value]);
    element("rows").replaceChildren(
      ...Object.entries(now)
        .filter(([name]) => name !== "at" && name !== "quality")
        .concat(quality)
        .map(([name, value]) => {
          const row = make("tr");
          row.append(make("th", { scope: "row" }, name.replaceAll("_", " ")));
          const text =
            typeof value === "number" ? number(value, 6)
            : typeof value === "boolean" ? (value ? "yes" : "no")
            : value !== null && typeof value === "object" ? Object.entries(value).map(([at, share]) => `${at} ${percent(share)}`).join(", ") || "–"
            : value ?? "–";
          row.append(make("td", {}, text));
          return row;
        }),
    );
  }

  function draw() {
    const now = looks[looks.length - 1];
    if (!now) return;
    for (const id of ["sentence", "cards", "charts"]) element(id).hidden = false;
    element("sentence").textContent = sentence(now);
    cards(now);
    chart("chart-average", "Average cost per question", (look) => (look.questions ? look.average : null), { target: now.target, second: (look) => look.recent_average });
    chart("chart-price", "Price of compute", (look) => look.price, { format: small });
    chart("chart-flight", "Open reservations", (look) => look.in_flight, { from0: true });
    shares(now);
    rows(now);
    savings(compared, now.cost_unit);
  }

  function state(name, text) {
    if (element("state").textContent === text) return; // a screen reader is told of changes alone
    element("state").dataset.state = name;
    element("state").textContent = text;
  }

  function show(seen) {
    looks.push(...seen.looks);
    looks.splice(0, looks.length - 2000);
    compared = seen.savings;
    alarms(seen.alarms);
    element("error").textContent = seen.error ?? "";
    state(seen.error ? "away" : "live", seen.error ? "database away" : "live");
    draw();
  }

  async function look() {
    if (!paused) {
      try {
        const since = looks.length ? `?since=${looks[looks.length - 1].at}` : "";
        const answer = await fetch(`ledger.json${since}`);
        const seen = await answer.json();
        if (!paused) show(seen); // it may have been paused meanwhile
      } catch {
        if (!paused) state("away", "the watcher has ended");
      }
    }
    setTimeout(look, every);
  }

  element("pause").hidden = false;
  element("pause").addEventListener("click", () => {
    paused = !paused;
    element("pause").textContent = paused ? "Go on" : "Pause";
    if (paused) state("paused", "paused");
  });
  element("numbers").open = false;
  addEventListener("resize", draw);
  look();
})();
