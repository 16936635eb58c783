// The console in the browser: hears of each look, lets htmx ask for the parts again, and draws the curves.
// Nothing is fetched from elsewhere, and nothing of what others wrote becomes markup here.
"use strict";

(() => {
  const charts = new Map();
  let paused = false;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const line = (label, stroke, more) => ({ label, stroke: () => colour(stroke), width: 1.6, points: { show: false }, ...more });

  const kinds = {
    rates: {
      height: 220,
      series: () => [
        line("accepted", "--good"),
        line("rejected", "--bad", { dash: [6, 3] }),
        line("duplicate", "--warn", { dash: [2, 3] }),
      ],
      points: (data) => [data.at, data.accepted, data.rejected, data.duplicate],
    },
    growth: {
      height: 150,
      series: () => [line("leaves", "--accent")],
      points: (data) => [data.at, data.leaves],
    },
  };

  const axis = (more) => ({
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { stroke: () => colour("--line"), width: 1 },
    ...more,
  });

  const clock = (seconds, step) => new Date(seconds * 1000).toISOString().slice(11, step < 60 ? 19 : 16);

  function options(kind, place) {
    return {
      width: place.clientWidth,
      height: kind.height,
      cursor: { show: false },
      legend: { live: false },
      scales: { y: { range: (_, __, high) => [0, Math.max(1, (high ?? 0) * 1.1)] } },
      axes: [axis({ space: 80, values: (_, ticks, __, ___, step) => ticks.map((tick) => clock(tick, step)) }), axis({ size: 54 })],
      series: [{ label: "UTC" }, ...kind.series()],
    };
  }

  async function draw(place) {
    const kind = kinds[place.dataset.chart];
    const answer = await fetch(`/data/${place.dataset.chart}`, { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    const points = kind.points(await answer.json());
    const known = charts.get(place);
    if (known) known.setData(points);
    else charts.set(place, new uPlot(options(kind, place), points, place));
  }

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach((place) => draw(place).catch(() => {}));

  function drawAnew() {
    charts.forEach((chart) => chart.destroy());
    charts.clear();
    drawAll();
  }

  function listen() {
    const looks = new EventSource("/live");
    looks.addEventListener("look", () => {
      if (paused) return;
      htmx.trigger(document.body, "look");
      drawAll();
    });
    addEventListener("pagehide", () => looks.close());
  }

  function pausing() {
    const button = document.getElementById("pause");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? "Paused" : "Pause";
    });
  }

  // What a person has unfolded stays unfolded when its part is written again.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const open = [...event.detail.target.querySelectorAll("details[open][id]")].map((each) => each.id);
    if (open.length) {
      event.detail.target.addEventListener("htmx:afterSettle", () => {
        open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
      }, { once: true });
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    pausing();
    if (document.querySelector("[hx-trigger], [data-chart]")) listen();
    drawAll();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
    let waits = 0;
    addEventListener("resize", () => {
      clearTimeout(waits);
      waits = setTimeout(drawAnew, 200);
    });
  });
})();
