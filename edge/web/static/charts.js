// Charts of the plan and of yesterday. Every number comes from the server in its unit; nothing is computed here.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const words = (value, unit) => (value == null ? "—" : `${value.toFixed(unit === "%" ? 0 : unit === "kW" ? 2 : 1)} ${unit}`);

  function line(label, column, colour, unit, more = {}) {
    return { column, label, stroke: css(colour), width: 2, points: { show: false }, value: (u, value) => words(value, unit), ...more };
  }
  const stepped = () => ({ paths: uPlot.paths.stepped({ align: 1 }) });
  const dashed = { dash: [6, 4], width: 1.5 };
  const edge = (label, column, colour) => line(label, column, colour, "kW", { width: 0.5 });

  const PANELS = {
    plan: [
      { title: "Price", unit: "ct/kWh", series: () => [line("Import", "price_import", "--grid", "ct", stepped()), line("Export", "price_export", "--faint", "ct", { ...stepped(), ...dashed })] },
      { title: "PV, with P10–P90", unit: "kW", bands: [[0, 2, "--sun-band"]], series: () => [edge("P90", "pv_p90", "--sun"), line("P50", "pv_p50", "--sun", "kW"), edge("P10", "pv_p10", "--sun")] },
      { title: "House, with P10–P90", unit: "kW", bands: [[0, 2, "--house-band"]], series: () => [edge("P90", "load_p90", "--house"), line("P50", "load_p50", "--house", "kW"), edge("P10", "load_p10", "--house")] },
      { title: "Battery (+ discharges) and grid (+ imports)", unit: "kW", series: () => [line("Battery", "battery", "--battery", "kW", { ...stepped(), fill: css("--battery-band") }), line("Grid", "grid", "--grid", "kW", { ...stepped(), ...dashed })] },
      { title: "Charge of the battery", unit: "%", range: [0, 100], series: () => [line("Charge", "soc", "--battery", "%", { fill: css("--battery-band") })] },
    ],
    yesterday: [
      { title: "PV", unit: "kW", bands: [[0, 1, "--sun-band"]], series: () => [edge("P90", "pv_p90", "--sun"), edge("P10", "pv_p10", "--sun"), line("Measured", "pv_measured", "--sun", "kW")] },
      { title: "House", unit: "kW", bands: [[0, 1, "--house-band"]], series: () => [edge("P90", "load_p90", "--house"), edge("P10", "load_p10", "--house"), line("Measured", "load_measured", "--house", "kW")] },
      { title: "Battery (+ discharges)", unit: "kW", series: () => [line("Planned", "battery", "--faint", "kW", { ...stepped(), ...dashed }), line("Measured", "battery_measured", "--battery", "kW", stepped())] },
      { title: "Charge of the battery", unit: "%", range: [0, 100], series: () => [line("Planned", "soc", "--faint", "%", dashed), line("Measured", "soc_measured", "--battery", "%")] },
    ],
  };

  // Rooms, tank, cars and programs: as many as the plan has, in the same colours again and again.
  const COLOURS = ["--house", "--sun", "--grid", "--battery", "--faint"];
  const several = (title, unit, columns) => ({
    title,
    unit,
    columns,
    series: () => Object.keys(columns).map((name, index) => line(name, name, COLOURS[index % COLOURS.length], unit, unit === "kW" ? stepped() : {})),
  });

  function panels(kind, data) {
    const more = [several("Cars, programs, rooms and tank", "kW", data.drawn || {}), several("Rooms and tank", "°C", data.warm || {})];
    return [...PANELS[kind], ...more.filter(({ columns }) => Object.keys(columns).length)];
  }

  function draw(place, panel, data, sync) {
    const series = panel.series();
    const size = () => ({ width: Math.max(place.clientWidth, 200), height: 170 });
    const axis = { stroke: css("--faint"), grid: { stroke: css("--rule"), width: 1 }, ticks: { stroke: css("--rule") }, font: "12px system-ui, sans-serif" };
    const hour = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, ...options });
    const [clock, day, full] = [{ hour: "2-digit", minute: "2-digit" }, { weekday: "short" }, { weekday: "short", hour: "2-digit", minute: "2-digit" }].map(hour);
    const name = (time_s) => (clock.format(time_s * 1000) === "00:00" ? day : clock).format(time_s * 1000);
    const options = {
      ...size(),
      cursor: { sync: { key: sync }, y: false },
      legend: { live: true },
      scales: { x: { time: true }, y: panel.range ? { range: panel.range } : {} },
      series: [{ label: "Time", value: (u, time_s) => (time_s == null ? "—" : full.format(time_s * 1000)) }, ...series],
      bands: (panel.bands || []).map(([high, low, colour]) => ({ series: [high + 1, low + 1], fill: css(colour) })),
      axes: [
        { ...axis, space: 60, incrs: [3600, 10800, 21600, 43200, 86400], values: (u, times) => times.map(name) },
        { ...axis, size: 56, values: (u, values) => values.map((value) => `${+value.toFixed(2)}`) },
      ],
    };
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = `${panel.title} [${panel.unit}]`;
    figure.append(caption);
    place.append(figure);
    const chart = new uPlot(options, [data.time_s, ...series.map((item) => (panel.columns || data)[item.column])], figure);
    return { chart, size };
  }

  async function fill(place) {
    const note = (text) => {
      const line = document.createElement("p");
      line.className = "quiet last";
      line.textContent = text;
      place.replaceChildren(line);
    };
    let data;
    try {
      const answer = await fetch(place.dataset.charts, { cache: "no-store" });
      data = await answer.json();
      if (!answer.ok) return note(data.error);
    } catch {
      return note("The box does not answer.");
    }
    const kind = place.dataset.kind;
    let drawn = [];
    const all = () => {
      drawn.forEach(({ chart }) => chart.destroy());
      place.replaceChildren();
      drawn = panels(kind, data).map((panel) => draw(place, panel, data, kind));
      place.dataset.drawn = drawn.length;
    };
    all();
    new ResizeObserver(() => drawn.forEach(({ chart, size }) => chart.setSize(size()))).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  }

  document.querySelectorAll("[data-charts]").forEach(fill);
})();
