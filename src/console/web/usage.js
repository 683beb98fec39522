// Usage of a range: bars, and beside them the table that is the server's answer, row by row.
//
// The server says which steps there are (zeros=1), where they begin and what their dates are. This file cuts texts.
import { html, useMemo, useState } from "./vendor/preact.js";
import { add, Problem } from "./api.js";
import { Chart, Legend } from "./chart.js";
import { askList, attempt, Failure, Field, inWords, Named, number, projectName, Said, Select } from "./parts.js";
import { seriesName, sumOf, Title, useAnswer, useCards } from "./parts.js";
import { href } from "./place.js";
import { Save } from "./save.js";
import { joined, language, t } from "./words.js";

const STEPS = ["15m", "1h", "1d", "1w", "1mo", "total"];
const LONG = ["1w", "1mo", "total"]; // a date alone does not say how long they are
const KINDS = ["transcode", "remux", "snapshot", "audio"];
const TIERS = ["low", "medium", "high", "super"];
// Bars from one label to the next, so that labels are round hours.
const LABELS = { "15m": [1, 2, 4, 8, 16, 24, 48, 96], "1h": [1, 2, 3, 6, 12, 24, 48, 168] };
const BY = ["tier", "codec", "project"];
const COLORS = 7; // of codecs and projects; the others share one
// Codecs that have a color of their own wherever they are shown. Other names take one that is left.
const COLORED = ["h264", "h265", "av1", "vp9", "mpeg2video", "vp8", "mpeg4"];
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

const isDate = (text) => /^\d{4}-\d\d-\d\d$/.test(text);
// Dates are compared as texts.
const isBackwards = (q) => isDate(q.from) && isDate(q.to) && q.from >= q.to;

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
  isShort(step) ? date.slice(5, 10) + " " + date.slice(11, 16) : step === "1mo" ? date.slice(0, 7) : date.slice(5, 10);

// Seconds that a step has at least, unless the range cuts it: an hour of summer time may be missing, and three days of February.
const WHOLE = { "1d": 22 * 3600, "1w": 166 * 3600, "1mo": 27 * 86400 };
const isPart = (row, step) => row.end - row.start < (WHOLE[step] ?? 0);
const MARK = "*";

// The range in words. first: the date of its first step.
function rangeOf(q, first) {
  if (q.month) return q.month;
  if (q.from && q.to) return t("between", q.from, q.to);
  if (q.from || q.to) return q.from ? t("since", q.from) : t("until", q.to);
  return t("so_far", (first ?? "").slice(0, 7));
}
const shortRangeOf = (q, first) => (q.from && q.to ? q.from + " – " + q.to : rangeOf(q, first));

// What a step is called: {label, short}.
function stepOf(row, q) {
  if (q.step === "total") return { label: rangeOf(q, row.date), short: shortRangeOf(q, row.date) };
  const mark = isPart(row, q.step) ? MARK : "";
  return { label: labelOf(row.date, q.step) + mark, short: shortOf(row.date, q.step) + mark };
}

// Of steps within a day: the offset from UTC that all of them have; "" if it changes.
function offsetOf(rows, q) {
  const offsets = new Set(rows.map((row) => row.date.slice(19)));
  return isShort(q.step) && offsets.size === 1 ? [...offsets][0] : "";
}

// What a value of the group is called: {name, id}. A project has both.
const called = (value, q) =>
  q.by === "project" ? { name: projectName(q.projects, value), id: value } : { name: seriesName(q.by, value) };

// Colors by name, so that a name has the same one when the range or the amount changes; two names never share one.
function colorsOf(values) {
  const colors = new Map();
  const isFree = (color) => ![...colors.values()].includes(color);
  const wanted = (value) => {
    const known = COLORED.indexOf(value);
    return known >= 0 ? known : [...value].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % COLORS;
  };
  const names = values.filter((value) => value !== null).sort();
  names.sort((a, b) => COLORED.includes(b) - COLORED.includes(a));
  for (const name of names) {
    let color = wanted(name);
    while (!isFree(color)) color = (color + 1) % COLORS;
    colors.set(name, color);
  }
  return colors;
}

function seriesOf(rows, q) {
  const { by, measure } = q;
  const sums = new Map();
  for (const row of rows) if (row.tasks > 0) sums.set(row[by], add(sums.get(row[by]) ?? 0, row[measure]));
  let values = [...sums.keys()];
  if (by === "tier") values.sort((a, b) => (a === null) - (b === null) || TIERS.indexOf(a) - TIERS.indexOf(b));
  else values.sort((a, b) => sums.get(b) - sums.get(a));
  const colors = by === "tier" ? new Map(TIERS.map((tier, index) => [tier, index])) : colorsOf(values.slice(0, COLORS));
  const named = values.slice(0, COLORS).map((value) => ({
    values: [value],
    ...called(value, q),
    sum: sums.get(value),
    color: value === null ? "s-none" : "s" + colors.get(value),
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
        ...stepOf(row, q),
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
      ["at", whole ? q.month : label.replace(MARK, "")],
      ["span", whole ? "1mo" : LONG.includes(q.step) && q.step !== "total" ? q.step : null],
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
      html`<${Field} label=${t("from")}><input type="date" value=${q.from} aria-invalid=${isBackwards(q)}
      onChange=${(event) => change({ from: event.target.value || day })} /><//>
      <${Field} label=${t("to")}><input type="date" value=${q.to} aria-invalid=${isBackwards(q)}
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

const Amount = ({ column, children }) =>
  html`<td class="number" data-label=${t("measure_" + column)}>${children}</td>`;

function Row({ row, q, offset }) {
  const { label } = stepOf(row, q),
    about = called(row[q.by], q);
  const target = tasksOf(q, row.start, row.end, [row[q.by]], label);
  return html`<tr class="link" onClick=${() => {
    location.hash = target;
  }}>
    <th scope="row"><a href=${target} aria-label=${t("tasks_of", label + ", " + inWords(about))}
      onClick=${(event) => event.stopPropagation()}><${Said} text=${offset ? label.slice(0, -offset.length - 1) : label} /></a></th>
      <td><${Named} ...${about} /></td>
    ${columnsOf(q.kind).map((column) => html`<${Amount} key=${column} column=${column}>${number(row[column])}<//>`)}</tr>`;
}

function Table({ rows, q, range }) {
  const [shown, setShown] = useState(ROWS_FIRST);
  const columns = columnsOf(q.kind),
    offset = offsetOf(rows, q);
  const [own, isNarrow] = useCards(JSON.stringify([rows.length, rows[0], shown, q.step, q.by, language()]));
  return html`<div class=${isNarrow ? "scroll cards" : "scroll"} ref=${own} tabindex="0" role="region"
    aria-label=${t("table")}><table>
    <thead><tr><th scope="col">${t("start")} ${offset}</th><th scope="col">${t("by_" + q.by)}</th>
      ${columns.map((column) => html`<th scope="col" class="number"
        key=${column}>${t("measure_" + column)}</th>`)}</tr></thead>
    <tbody>${rows.slice(0, shown).map((row) => html`<${Row} key=${row.start + " " + row[q.by]} row=${row}
      q=${q} offset=${offset} />`)}</tbody>
    <tfoot><tr><th scope="row" colspan="2"><${Said} text=${t("total", range)} /></th>
      ${columns.map((column) => html`<${Amount} key=${column} column=${column}>${sumOf(rows, column)}<//>`)}</tr></tfoot>
  </table></div>
  ${rows.some((row) => isPart(row, q.step)) && html`<p class="note">${t("part_" + q.step)}</p>`}
  ${q.kind !== "snapshot" && html`<p class="note">${t("minutes_are")}</p>`}
  ${
    rows.length > shown &&
    html`<p class="note">${t("rows_shown", number(shown), number(rows.length))}
    <button type="button" onClick=${() => setShown(shown + ROWS_MORE)}>${t("more")}</button></p>`
  }`;
}

function drawingOf(answer, q) {
  const dated = answer.rows.filter((row) => row.date !== null);
  const series = seriesOf(dated, q);
  const rows = dated.filter((row) => row.tasks > 0).sort((a, b) => a.start - b.start);
  return { rows, series, steps: stepsOf(dated, series, q), range: rangeOf(q, dated[0]?.date) };
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
  const made = useMemo(() => attempt(() => drawingOf(answer, q)), [answer, q.by, q.measure, q.step, q.projects, t("view_usage")]);
  const { rows, series, steps, range } = made.value ?? { rows: [], series: [], steps: [], range: "" };
  const zone = q.zone || (q.projects.find((project) => project.id === q.project) ?? q.projects[0])?.time_zone;
  const pick = (at, index) => {
    location.hash = tasksOf(q, steps[at].start, steps[at].end, series[index].values, steps[at].label);
  };
  if (made.problem) return html`<${Failure} problem=${made.problem} /><${Files} q=${q} onDenied=${onDenied} />`;
  return html`<p class="note">${joined(zone && t("days_of", zone), q.apart && t("own_days"), t("as_of", answer.position))}</p>
    ${
      rows.length === 0
        ? html`<p class="empty"><${Said} text=${t("no_usage", range)} /></p>`
        : html`<div class="beside">
      <section aria-label=${t("bars")}><${Legend} series=${series} />
        <${Chart} steps=${steps} every=${LABELS[q.step]} series=${series}
          measure=${t("measure_" + q.measure)} onPick=${pick} /></section>
      <section aria-label=${t("table")}><${Table} rows=${rows} q=${q} range=${range} /></section></div>`
    }
    <${Files} q=${q} rows=${async () => answer.rows.filter((row) => row.tasks > 0)} onDenied=${onDenied} />`;
}

export function Usage({ params, projects, onDenied }) {
  const q = questionOf(params, projects);
  const question = asked(q);
  const key = JSON.stringify(question);
  const state = useAnswer(key, isBackwards(q) ? null : askList(["usage"], [...question, ["zeros", "1"]]), onDenied);
  const change = (changes) => {
    const next = new URLSearchParams(params);
    for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
    location.hash = href("usage", [], [...next]);
  };
  return html`<${Title} text=${t("view_usage")} /><${Controls} q=${q} answer=${state.last} change=${change} />
    <div aria-live="polite" class="state">${state.waits && !isBackwards(q) ? t("waits") : ""}</div>
    ${isBackwards(q) && html`<${Failure} problem=${new Problem(0, "", "dates")} />`}
    ${state.problem && html`<${Failure} problem=${state.problem} onRetry=${!FILE_ONLY.includes(state.problem.kind) && state.retry} />`}
    ${FILE_ONLY.includes(state.problem?.kind) && html`<${Files} q=${q} onDenied=${onDenied} />`}
    ${state.answer && html`<${Answer} answer=${state.answer} q=${q} onDenied=${onDenied} />`}`;
}
