// Usage of a range: bars, and beside them the table that is the server's answer, row by row.
//
// The server says which steps there are (zeros=1), where they begin and what their dates are. This file cuts texts.
import { html, useMemo, useState } from "./vendor/preact.js";
import { add } from "./api.js";
import { Chart, Legend } from "./chart.js";
import { askList, attempt, Failure, Field, Named, number, projectName, Select } from "./parts.js";
import { seriesName, sumOf, Title, useAnswer } from "./parts.js";
import { href } from "./place.js";
import { Save } from "./save.js";
import { t } from "./words.js";

const STEPS = ["15m", "1h", "1d", "1w", "1mo", "total"];
const LONG = ["1w", "1mo", "total"]; // a date alone does not say how long they are
const KINDS = ["transcode", "remux", "snapshot", "audio"];
const TIERS = ["low", "medium", "high", "super"];
// Bars from one label to the next, so that labels are round hours.
const LABELS = { "15m": [1, 2, 4, 8, 16, 24, 48, 96], "1h": [1, 2, 3, 6, 12, 24, 48, 168] };
const BY = ["tier", "codec", "project"];
const COLORS = 7; // of codecs and projects; the others share one
const FILE_ONLY = ["too_long", "too_large"]; // problems of answers that a file has all the same
const ROWS_FIRST = 200,
  ROWS_MORE = 2000;

// The question that the place asks.
function questionOf(params, projects) {
  const zones = [...new Set(projects.map((project) => project.time_zone))];
  const project = params.get("project") ?? "";
  const kind = KINDS.includes(params.get("kind")) ? params.get("kind") : "transcode";
  const measures = kind === "snapshot" ? ["images", "tasks"] : ["seconds", "minutes", "tasks"];
  const apart = project === "" && zones.length > 1;
  return {
    project,
    kind,
    zones,
    apart,
    measures,
    projects,
    by: BY.includes(params.get("by")) ? params.get("by") : "tier",
    step: STEPS.includes(params.get("step")) ? params.get("step") : "1d",
    measure: measures.includes(params.get("measure")) ? params.get("measure") : measures[0],
    range: params.has("month") ? "month" : params.has("from") || params.has("to") ? "dates" : "now",
    month: params.get("month") ?? "",
    from: params.get("from") ?? "",
    to: params.get("to") ?? "",
    zone: apart ? (zones.includes(params.get("zone")) ? params.get("zone") : zones[0]) : "",
  };
}

// What of it goes to the server.
function asked(q) {
  const params = [
    ["step", q.step],
    ["group", q.by],
    ["kind", q.kind],
  ];
  for (const name of ["project", "month", "from", "to", "zone"]) if (q[name]) params.push([name, q[name]]);
  return params;
}

// "2026-10-05T13:00:00+08:00" -> "2026-10-05", or "2026-10-05 13:00 +08:00" for steps within a day.
const isShort = (step) => step === "15m" || step === "1h";
const labelOf = (date, step) =>
  isShort(step) ? date.slice(0, 10) + " " + date.slice(11, 16) + " " + date.slice(19) : date.slice(0, 10);
const shortOf = (date, step) =>
  isShort(step)
    ? date.slice(5, 10) + " " + date.slice(11, 16)
    : step === "1mo"
      ? date.slice(0, 7)
      : step === "total"
        ? date.slice(0, 10)
        : date.slice(5, 10);

// What a value of the group is called: {name, id}. A project has both.
const called = (value, q) =>
  q.by === "project" ? { name: projectName(q.projects, value), id: value } : { name: seriesName(q.by, value) };
const inWords = ({ name, id }) => (id && id !== name ? name + " (" + id + ")" : name);

function seriesOf(rows, q) {
  const { by, measure } = q;
  const sums = new Map();
  for (const row of rows) if (row.tasks > 0) sums.set(row[by], add(sums.get(row[by]) ?? 0, row[measure]));
  let values = [...sums.keys()];
  if (by === "tier") values.sort((a, b) => (a === null) - (b === null) || TIERS.indexOf(a) - TIERS.indexOf(b));
  else values.sort((a, b) => sums.get(b) - sums.get(a));
  const named = values.slice(0, COLORS).map((value, index) => ({
    values: [value],
    ...called(value, q),
    sum: sums.get(value),
    color: value === null ? "s-none" : by === "tier" ? "s" + TIERS.indexOf(value) : "s" + index,
  }));
  values = values.slice(COLORS);
  if (values.length > 0) {
    const sum = values.reduce((all, value) => add(all, sums.get(value)), 0);
    named.push({ values, name: t("others", values.length), color: "s-none", sum });
  }
  return named;
}

// One for each step, in order, with a value for each series.
function stepsOf(rows, series, q) {
  const steps = new Map();
  const place = new Map(series.flatMap((one, index) => one.values.map((value) => [value, index])));
  for (const row of rows) {
    if (!steps.has(row.start)) {
      steps.set(row.start, {
        start: row.start,
        end: row.end,
        label: labelOf(row.date, q.step),
        short: shortOf(row.date, q.step),
        values: series.map(() => 0),
      });
    }
    const step = steps.get(row.start);
    if (row.tasks > 0) step.values[place.get(row[q.by])] = add(step.values[place.get(row[q.by])], row[q.measure]);
  }
  return [...steps.values()].sort((a, b) => a.start - b.start);
}

// The address of the tasks of a cell.
function tasksOf(q, start, end, values, label) {
  const whole = q.step === "total" && q.month !== ""; // a month as a whole: its name says it
  return href(
    "tasks",
    [],
    [
      ["project", q.by === "project" ? null : q.project || null],
      ["from", start],
      ["to", end],
      ["kind", q.kind],
      ...values.map((value) => [q.by, value ?? ""]),
      ["zone", q.zone || null],
      ["at", whole ? q.month : label],
      ["span", whole ? "1mo" : LONG.includes(q.step) ? q.step : null],
    ],
  );
}

function Controls({ q, answer, change }) {
  const rows = answer?.rows ?? [];
  const month = rows[0]?.date?.slice(0, 7) ?? "",
    day = rows[0]?.date?.slice(0, 10) ?? "";
  const range = (kind) =>
    change(
      kind === "month"
        ? { month: month, from: "", to: "" }
        : kind === "dates"
          ? { month: "", from: day, to: "" }
          : { month: "", from: "", to: "" },
    );
  const options = (names, prefix) => names.map((name) => [name, t(prefix + name)]);
  const projects = q.projects.map(({ id }) => [id, inWords({ name: projectName(q.projects, id), id })]);
  return html`<form class="controls" onSubmit=${(event) => event.preventDefault()}>
    <${Select} label=${t("project")} value=${q.project} onChange=${(project) => change({ project })}
      options=${[["", t("all_projects")], ...projects]} />
    <${Select} label=${t("range")} value=${q.range} onChange=${range}
      options=${options(["now", "month", "dates"], "range_")} />
    ${
      q.range === "month" &&
      html`<${Field} label=${t("month")}><input type="month" placeholder="2026-10" value=${q.month}
      onChange=${(event) => change({ month: event.target.value || month })} /><//>`
    }
    ${
      q.range === "dates" &&
      html`<${Field} label=${t("from")}><input type="date" value=${q.from}
      onChange=${(event) => change({ from: event.target.value || day })} /><//>
      <${Field} label=${t("to")}><input type="date" value=${q.to}
      onChange=${(event) => change({ to: event.target.value })} /><//>`
    }
    ${
      q.apart &&
      html`<${Select} label=${t("zone")} value=${q.zone} onChange=${(zone) => change({ zone })}
      options=${q.zones.map((zone) => [zone, zone])} />`
    }
    <${Select} label=${t("step")} value=${q.step} onChange=${(step) => change({ step })}
      options=${options(STEPS, "step_")} />
    <${Select} label=${t("by")} value=${q.by} onChange=${(by) => change({ by })}
      options=${options(BY, "by_")} />
    <${Select} label=${t("kind")} value=${q.kind} onChange=${(kind) => change({ kind, measure: "" })}
      options=${options(KINDS, "kind_")} />
    <${Select} label=${t("measure")} value=${q.measure} onChange=${(measure) => change({ measure })}
      options=${options(q.measures, "measure_")} />
  </form>`;
}

const columnsOf = (kind) => (kind === "snapshot" ? ["images", "tasks"] : ["seconds", "minutes", "tasks"]);

function Row({ row, q }) {
  const label = labelOf(row.date, q.step),
    about = called(row[q.by], q);
  const target = tasksOf(q, row.start, row.end, [row[q.by]], label);
  return html`<tr class="link" onClick=${() => {
    location.hash = target;
  }}>
    <th scope="row" class="moment"><a href=${target} aria-label=${t("tasks_of", label + ", " + inWords(about))}
      onClick=${(event) => event.stopPropagation()}>${label}</a></th><td><${Named} ...${about} /></td>
    ${columnsOf(q.kind).map((column) => html`<td class="number" key=${column}>${number(row[column])}</td>`)}</tr>`;
}

function Table({ rows, q }) {
  const [shown, setShown] = useState(ROWS_FIRST);
  const columns = columnsOf(q.kind);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("table")}><table>
    <thead><tr><th scope="col">${t("start")}</th><th scope="col">${t("by_" + q.by)}</th>
      ${columns.map((column) => html`<th scope="col" class="number"
        key=${column}>${t("measure_" + column)}</th>`)}</tr></thead>
    <tbody>${rows.slice(0, shown).map((row) => html`<${Row} key=${row.start + " " + row[q.by]} row=${row}
      q=${q} />`)}</tbody>
    <tfoot><tr><th scope="row" colspan="2">${t("total")}</th>
      ${columns.map((column) => html`<td class="number" key=${column}>${sumOf(rows, column)}</td>`)}</tr></tfoot>
  </table></div>
  ${
    rows.length > shown &&
    html`<p class="note">${t("rows_shown", number(shown), number(rows.length))}
    <button type="button" onClick=${() => setShown(shown + ROWS_MORE)}>${t("more")}</button></p>`
  }`;
}

function drawingOf(answer, q) {
  const dated = answer.rows.filter((row) => row.date !== null);
  const series = seriesOf(dated, q);
  return { rows: dated.filter((row) => row.tasks > 0), series, steps: stepsOf(dated, series, q) };
}

const fileName = (q) =>
  "codecmeter-" +
  [q.project, q.month || q.from, q.by]
    .filter(Boolean)
    .join("-")
    .replace(/[^\w.-]+/g, "_");

// rows(): see Save.
const Files = ({ q, rows, onDenied }) =>
  html`<${Save} path=${["usage"]} params=${asked(q)} name=${fileName(q)} rows=${rows} onDenied=${onDenied} />`;

function Answer({ answer, q, onDenied }) {
  const made = useMemo(() => attempt(() => drawingOf(answer, q)), [answer, q.by, q.measure, q.step, q.projects, t("total")]);
  const { rows, series, steps } = made.value ?? { rows: [], series: [], steps: [] };
  const zone = q.zone || (q.projects.find((project) => project.id === q.project) ?? q.projects[0])?.time_zone;
  const pick = (at, index) => {
    location.hash = tasksOf(q, steps[at].start, steps[at].end, series[index].values, steps[at].label);
  };
  if (made.problem) return html`<${Failure} problem=${made.problem} /><${Files} q=${q} onDenied=${onDenied} />`;
  return html`<p class="note">${zone && t("days_of", zone)} ${t("as_of", answer.position)}
    ${q.apart && " " + t("own_days")}</p>
    ${
      rows.length === 0
        ? html`<p class="empty">${t("no_usage", steps[0]?.label ?? "")}</p>`
        : html`<div class="beside">
      <section aria-label=${t("bars")}><${Legend} series=${series} />
        <${Chart} steps=${steps} every=${LABELS[q.step]} series=${series}
          measure=${t("measure_" + q.measure)} onPick=${pick} /></section>
      <section aria-label=${t("table")}><${Table} rows=${rows} q=${q} /></section></div>`
    }
    <${Files} q=${q} rows=${async () => answer.rows.filter((row) => row.tasks > 0)} onDenied=${onDenied} />`;
}

export function Usage({ params, projects, onDenied }) {
  const q = questionOf(params, projects);
  const question = asked(q);
  const key = JSON.stringify(question);
  const state = useAnswer(key, askList(["usage"], [...question, ["zeros", "1"]]), onDenied);
  const change = (changes) => {
    const next = new URLSearchParams(params);
    for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
    location.hash = href("usage", [], [...next]);
  };
  return html`<${Title} text=${t("view_usage")} /><${Controls} q=${q} answer=${state.last} change=${change} />
    <div aria-live="polite" class="state">${state.waits ? t("waits") : ""}</div>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
    ${FILE_ONLY.includes(state.problem?.kind) && html`<${Files} q=${q} onDenied=${onDenied} />`}
    ${state.answer && html`<${Answer} answer=${state.answer} q=${q} onDenied=${onDenied} />`}`;
}
