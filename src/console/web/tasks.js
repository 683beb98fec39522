// The tasks of a cell, newest first, in pages that the server fixes at one position.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ask, askRest, Problem } from "./api.js";
import { askList, Failure, momentOf, Named, number, projectName, Select, seriesName, sumOf, Title, useAnswer } from "./parts.js";
import { href } from "./place.js";
import { Save } from "./save.js";
import { t } from "./words.js";

const STATUSES = ["finished", "failed", "voided", "unresolved", "all"];
const FILTERS = ["project", "from", "to", "month", "kind", "tier", "codec", "zone", "status", "task_id"];

const asked = (params) => [...params].filter(([name]) => FILTERS.includes(name));

// What the list is about. `at` and `span` are only shown: `from` and `to` are what is asked for.
function words(params, projects) {
  const span = params.get("span");
  const kind = params.get("kind");
  return [
    params.get("at"),
    span && t("step_" + span),
    kind && t("kind_" + kind),
    ...params.getAll("tier").map((tier) => seriesName("tier", tier || null)),
    ...params.getAll("codec").map((codec) => seriesName("codec", codec || null)),
    ...params.getAll("project").map((id) => projectName(projects, id)),
  ].filter(Boolean);
}

function Row({ task, zone, projects }) {
  const target = href("task", [task.project, task.source, task.id], [["zone", zone]]);
  const images = task.kind === "snapshot";
  return html`<tr class="link" onClick=${() => {
    location.hash = target;
  }}>
    <th scope="row"><a href=${target} onClick=${(event) => event.stopPropagation()}>${task.task_id}</a></th>
    <td class="moment">${momentOf(task.finished)}</td>
      ${projects && html`<td><${Named} name=${projectName(projects, task.project)} id=${task.project} /></td>`}<td>${task.source}</td>
    <td>${t("status_" + task.status)}</td><td>${task.codec ?? "–"}</td>
      <td>${task.tier ? t("tier_" + task.tier) : "–"}</td>
    <td>${task.resolution ?? "–"}</td><td class="number">${images ? "–" : number(task.seconds)}</td>
    <td class="number">${images ? "–" : number(task.minutes)}</td><td
      class="number">${images ? number(task.images) : "–"}</td></tr>`;
}

function Table({ rows, params, isWhole, projects }) {
  const withProject = params.getAll("project").length !== 1,
    zone = params.get("zone");
  const about = t(isWhole ? "sum_of_all" : "sum_so_far", number(rows.length));
  const heads = [
    "task",
    "finished",
    ...(withProject ? ["project"] : []),
    "source",
    "status",
    "by_codec",
    "by_tier",
    "resolution",
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("view_tasks")}><table>
    <thead><tr>${heads.map((head) => html`<th scope="col" key=${head}>${t(head)}</th>`)}
      ${["seconds", "minutes", "images"].map((column) => html`<th scope="col" class="number"
        key=${column}>${t("measure_" + column)}</th>`)}</tr></thead>
    <tbody>${rows.map((task) => html`<${Row} key=${task.project + " " + task.position} task=${task}
      zone=${zone} projects=${withProject && projects} />`)}</tbody>
    <tfoot><tr><th scope="row" colspan=${heads.length}>${about}</th>
      ${["seconds", "minutes", "images"].map((column) => html`<td class="number"
        key=${column}>${sumOf(rows, column)}</td>`)}</tr></tfoot>
  </table></div>`;
}

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
  const about = words(params, projects);
  const change = (name, value) => {
    const next = new URLSearchParams(params);
    value ? next.set(name, value) : next.delete(name);
    location.hash = href("tasks", [], [...next]);
  };
  const find = (event) => {
    event.preventDefault();
    change("task_id", event.target.elements.task_id.value.trim());
  };
  return html`<${Title} text=${t("view_tasks")} />
    ${about.length > 0 && html`<p class="about">${about.map((word) => html`<span key=${word}>${word}</span>`)}</p>`}
    <div class="controls"><${Select} label=${t("status")} value=${params.get("status") ?? "finished"}
      options=${STATUSES.map((name) => [name, t("status_" + name)])} onChange=${(value) => change("status", value)} />
      <form onSubmit=${find} class="find" key=${params.get("task_id")}><label class="field">
        <span>${t("task_id")}</span>
        <input name="task_id" value=${params.get("task_id") ?? ""} autocomplete="off" /></label>
          <button>${t("find")}</button></form></div>
    <div aria-live="polite" class="state">${state.waits || pages.waits ? t("waits") : ""}</div>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
    ${pages.problem && html`<${Failure} problem=${pages.problem} />`}
    ${
      first &&
      (pages.rows.length === 0 && !pages.cursor
        ? html`<p class="empty">${t("no_tasks")}</p>`
        : html`<${Table} rows=${pages.rows} params=${params} isWhole=${!pages.cursor}
          projects=${projects} />`)
    }
    ${
      first &&
      html`${pages.cursor && html`<p><button type="button" onClick=${pages.next}
        disabled=${pages.waits}>${t("more")}</button></p>`}
      <${Save} path=${["tasks"]} params=${question} name="codecmeter-tasks" onDenied=${onDenied}
        rows=${async () => [...pages.rows, ...(await askRest(["tasks"], question, pages.cursor))]} />`
    }`;
}
