(() => {
  for (const numbers of document.querySelectorAll("details.numbers")) numbers.open = false;

  // Figures are written in the light theme's colours; what they are now is asked of the style sheet.
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const light = LIGHT_COLOURS;
  const painted = (text) =>
    Object.entries(light).reduce((whole, [name, colour]) => {
      probe.style.color = `var(--${name})`;
      return whole.replaceAll(colour, getComputedStyle(probe).color);
    }, text);

  // A name beside a mark gives way to one that stands there already; its tooltip and its table keep it.
  function uncrowd(live) {
    const kept = [];
    for (const name of live.querySelectorAll(".mark-text text")) {
      const box = name.getBoundingClientRect();
      const free = kept.every(
        (other) => box.left > other.right || box.right < other.left || box.top > other.bottom || box.bottom < other.top,
      );
      name.style.visibility = free ? "" : "hidden";
      if (free) kept.push(box);
    }
  }

  const views = new Map();
  async function draw(figure) {
    const box = figure.querySelector(".figure");
    const narrow = box.clientWidth < 480;
    const written = painted(figure.querySelector(".spec").textContent);
    const spec = JSON.parse(narrow ? written.replaceAll('"columns":4', '"columns":2') : written);
    spec.width = "container";
    spec.autosize = { type: "fit-x", contains: "padding" };
    if (narrow) spec.config.legend.columns = 1;
    box.classList.add("on");
    const { view } = await vegaEmbed(box.querySelector(".live"), spec, { actions: false, renderer: "svg" });
    box.querySelector(".live svg")?.setAttribute("aria-hidden", "true");
    uncrowd(box.querySelector(".live"));
    view.addResizeListener(() => view.runAfter(() => uncrowd(box.querySelector(".live"))));
    views.set(figure, view);
  }
  async function drawAll() {
    for (const figure of document.querySelectorAll("figure")) await draw(figure);
    turn?.();
    document.documentElement.dataset.ready = "yes";
  }

  const slider = document.getElementById("dial");
  let turn = null;
  if (slider) {
    const { unit, budgets, curves, points } = JSON.parse(document.getElementById("dial-curves").textContent);
    const number = (value) => new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
    const accuracy = (value) => (points ? `${(100 * value).toFixed(1)}%` : number(value));
    turn = () => {
      const at = Number(slider.value);
      document.getElementById("dial-budget").textContent = `${number(budgets[at])} ${unit}`;
      slider.setAttribute("aria-valuetext", `${number(budgets[at])} ${unit}`);
      const said = Object.entries(curves).filter(([, curve]) => curve[at] !== null);
      const says = document.getElementById("dial-says");
      says.replaceChildren();
      said.forEach(([name, curve], place) => {
        const value = document.createElement("b");
        value.textContent = accuracy(curve[at]);
        says.append(place ? `, ${name} ` : `${name} `, value);
      });
      views.get(slider.closest("section").querySelector("figure"))?.signal("budget", budgets[at]).run();
    };
    slider.closest(".dial").hidden = false;
    slider.addEventListener("input", turn);
    turn();
  }

  document.addEventListener("themechange", drawAll);
  drawAll();
})();
