// The tasks of a cell, newest first, in pages that the server fixes at one position.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ask, askRest, Problem } from "./api.js";
import { askList, Failure, inWords, momentOf, Named, number, projectName, Select, seriesName, sumOf, Title } from "./parts.js";
import { useAnswer, useCards } from "./parts.js";
import { href } from "./place.js";
import { Save } from "./save.js";
import { language, listed, t } from "./words.js";

const STATUSES = ["finished", "failed", "voided", "unresolved", "all"];
const FILTERS = ["project", "from", "to", "month", "kind", "tier", "codec", "zone", "status", "task_id"];

const asked = (params) => [...params].filter(([name]) => FILTERS.includes(name));

// The range that the list has. A cell of the usage leads here with the moments that the server gave, in seconds, and
// with `at` and `span`, which say them in words; dates are words already.
function rangeOf(params) {
  const isCell = params.has("at") && ["from", "to"].every((name) => /^\d{9,}$/.test(params.get(name) ?? ""));
  if (isCell) return listed([params.get("at"), params.get("span") && t("step_" + params.get("span"))].filter(Boolean));
  const [from, to] = ["from", "to"].map((name) => {
    const value = params.get(name);
    return /^\d{9,}$/.test(value ?? "") ? t("unix_time", value) : value;
  });
  if (params.has("month")) return params.get("month");
  return from && to ? t("between", from, to) : from ? t("since", from) : to && t("until", to);
}

// The filters that the list has, in words: [{names: of parameters, word, text}]. Those of the controls are not among them.
function filtersOf(params, projects) {
  const each = (name, words) => {
    const values = params.getAll(name);
    return values.length > 0 && { names: [name], word: t(name === "tier" || name === "codec" ? "by_" + name : name), text: listed(values.map(words)) };
  };
  const range = rangeOf(params);
  return [
    range && { names: ["from", "to", "month", "at", "span"], word: t("time"), text: range },
    each("kind", (kind) => t("kind_" + kind)),
    each("tier", (tier) => seriesName("tier", tier || null)),
    each("codec", (codec) => seriesName("codec", codec || null)),
    each("project", (id) => inWords({ name: projectName(projects, id), id })),
    each("zone", (zone) => zone),
  ].filter(Boolean);
}

function Filters({ filters, remove }) {
  return html`<ul class="filters" aria-label=${t("filters")}>${filters.map(
    ({ names, word, text }) => html`<li key=${word}><span>${t("filter", word, text)}</span><button type="button"
      aria-label=${t("remove_filter", t("filter", word, text))} onClick=${() => remove(names)}>×</button></li>`,
  )}${
    filters.length > 1 &&
    html`<li class="all"><button type="button" onClick=${() => remove(filters.flatMap(({ names }) => names))}>${t("clear_filters")}</button></li>`
  }</ul>`;
}

const columnsOf = (rows) => {
  const has = (kind) => rows.some((task) => (task.kind === "snapshot") === kind);
  return [...(has(false) ? ["seconds", "minutes"] : []), ...(has(true) ? ["images"] : [])];
};
// A kind has seconds and minutes, or images.
const isCounted = (kind, column) => (kind === "snapshot") === (column === "images");

const Amount = ({ column, isThere, children }) =>
  html`<td class=${isThere ? "number" : "number none"} data-label=${t("measure_" + column)}>${isThere ? children : "–"}</td>`;

// A task ID is that of all outputs of a task; the id tells one output from the others.
const Ids = ({ task }) =>
  html`${task.task_id}${task.id !== task.task_id && html` <small class="free">${task.id}</small>`}`;

function Row({ task, zone, projects, withKind, columns }) {
  const target = href("task", [task.project, task.source, task.id], [["zone", zone]]);
  const text = (value) => html`<td class=${value ? "" : "none"}>${value ?? "–"}</td>`;
  return html`<tr class="link" onClick=${() => {
    location.hash = target;
  }}>
    <th scope="row" class="free"><a href=${target} onClick=${(event) => event.stopPropagation()}><${Ids} task=${task} /></a></th>
    <td class="moment">${momentOf(task.finished)}</td>
    ${projects && html`<td><${Named} name=${projectName(projects, task.project)} id=${task.project} /></td>`}<td
      class="free">${task.source}</td>
    <td>${t("status_" + task.status)}</td>${withKind && text(task.kind && t("kind_" + task.kind))}${text(task.codec)}
    ${text(task.tier && t("tier_" + task.tier))}${text(task.resolution)}
    ${columns.map((column) => html`<${Amount} key=${column} column=${column}
      isThere=${isCounted(task.kind, column)}>${number(task[column])}<//>`)}</tr>`;
}

// Kinds are never added up: each has a sum of its own.
function Sums({ rows, columns, isWhole, about, span }) {
  const kinds = [...new Set(rows.map((task) => task.kind))];
  return html`<tfoot>${kinds.map((kind) => {
    const own = rows.filter((task) => task.kind === kind);
    const counted = own.filter((task) => task.status === "finished").length;
    const of = [kinds.length > 1 && (kind ? t("kind_" + kind) : t("unknown_kind")), ...about];
    const count = number(own.length);
    const tasks = counted < own.length ? t("that_count", count, number(counted)) : count;
    return html`<tr key=${kind}><th scope="row"
      colspan=${span}>${t(isWhole ? "sum_of" : "sum_of_first", tasks, listed(of.filter(Boolean)))}</th>
      ${columns.map((column) => html`<${Amount} key=${column} column=${column}
        isThere=${isCounted(kind, column)}>${sumOf(own, column)}<//>`)}</tr>`;
  })}</tfoot>`;
}

// about: what the list is limited to, in words.
function Table({ rows, params, isWhole, projects, about }) {
  const withProject = params.getAll("project").length !== 1,
    withKind = params.getAll("kind").length !== 1,
    zone = params.get("zone");
  const columns = columnsOf(rows);
  const heads = [
    "task",
    "finished",
    ...(withProject ? ["project"] : []),
    "source",
    "status",
    ...(withKind ? ["kind"] : []),
    "by_codec",
    "by_tier",
    "resolution",
  ];
  const [own, isNarrow] = useCards(JSON.stringify([rows.length, rows[0]?.position, heads, language()]));
  return html`<div class=${isNarrow ? "scroll cards" : "scroll"} ref=${own} tabindex="0" role="region"
    aria-label=${t("view_tasks")}><table>
    <thead><tr>${heads.map((head) => html`<th scope="col" key=${head}>${t(head)}</th>`)}
      ${columns.map((column) => html`<th scope="col" class="number" key=${column}>${t("measure_" + column)}</th>`)}</tr></thead>
    <tbody>${rows.map((task) => html`<${Row} key=${task.project + " " + task.position} task=${task}
      zone=${zone} projects=${withProject && projects} withKind=${withKind} columns=${columns} />`)}</tbody>
    <${Sums} rows=${rows} columns=${columns} isWhole=${isWhole} about=${about} span=${heads.length} />
  </table></div>${columns.includes("minutes") && html`<p class="note">${t("minutes_are")}</p>`}`;
}

// What the tasks of the list have in common, in words.
const aboutOf = (params, filters, status) => [
  status === "all" ? t("all_status") : t("status_" + status),
  ...filters.map(({ text }) => text),
  ...params.getAll("task_id"),
];

// The first page, and those that were asked for since.
function usePages(key, first, params, onDenied) {
  const [more, setMore] = useState([]);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(false);
  useEffect(() => {
    setMore([]);
    setProblem(null);
  }, [key]);
  const pages = first ? [first, ...more] : [];
  const cursor = pages.at(-1)?.next_cursor ?? null;
  const next = async () => {
    setWaits(true);
    setProblem(null);
    try {
      const page = await ask(["tasks"], [...params, ["limit", "500"], ["cursor", cursor]]);
      setMore((old) => (pages.length === old.length + 1 ? [...old, page] : old));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) onDenied(error);
      else setProblem(error);
    } finally {
      setWaits(false);
    }
  };
  return { rows: pages.flatMap((page) => page.rows), cursor, next, problem, waits };
}

export function Tasks({ params, projects, onDenied }) {
  const question = asked(params);
  const key = JSON.stringify(question);
  const state = useAnswer(key, askList(["tasks"], question), onDenied);
  const first = state.answer ?? null;
  const pages = usePages(key, first, question, onDenied);
  const filters = filtersOf(params, projects);
  const status = params.get("status") ?? "finished";
  const change = (name, value) => {
    const next = new URLSearchParams(params);
    value ? next.set(name, value) : next.delete(name);
    location.hash = href("tasks", [], [...next]);
  };
  const remove = (names) =>
    (location.hash = href("tasks", [], [...params].filter(([name]) => !names.includes(name))));
  const find = (event) => {
    event.preventDefault();
    change("task_id", event.target.elements.task_id.value.trim());
  };
  return html`<${Title} text=${t("view_tasks")} />
    ${filters.length > 0 && html`<${Filters} filters=${filters} remove=${remove} />`}
    <div class="controls"><${Select} label=${t("status")} value=${status}
      options=${STATUSES.map((name) => [name, t("status_" + name)])} onChange=${(value) => change("status", value)} />
      <form onSubmit=${find} class="find" key=${params.get("task_id")}><label class="field">
        <span>${t("task_id")}</span>
        <input name="task_id" value=${params.get("task_id") ?? ""} autocomplete="off" /></label>
          <button>${t("find")}</button></form></div>
    <div aria-live="polite" class="state">${state.waits || pages.waits ? t("waits") : ""}</div>
    ${state.problem && html`<${Failure} problem=${state.problem} onRetry=${state.retry} />`}
    ${pages.problem && html`<${Failure} problem=${pages.problem} />`}
    ${
      first &&
      (pages.rows.length === 0 && !pages.cursor
        ? html`<p class="empty">${status === "all" ? t("no_tasks") : t("no_tasks_of_status", t("status_" + status))}</p>`
        : html`<${Table} rows=${pages.rows} params=${params} isWhole=${!pages.cursor}
          projects=${projects} about=${aboutOf(params, filters, status)} />`)
    }
    ${
      first &&
      html`${pages.cursor && html`<p><button type="button" onClick=${pages.next}
        disabled=${pages.waits}>${t("more")}</button></p>`}
      <${Save} path=${["tasks"]} params=${question} name="codecmeter-tasks" onDenied=${onDenied}
        rows=${async () => [...pages.rows, ...(await askRest(["tasks"], question, pages.cursor))]} />`
    }`;
}
