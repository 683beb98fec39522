// One task, explained: each number beside the rule that gave it.
import { html } from "./vendor/preact.js";
import { askList, Failure, momentOf, Named, number, projectName, Said, Title, useAnswer } from "./parts.js";
import { href } from "./place.js";
import { measureNames, sentences } from "./rules.js";
import { t } from "./words.js";

const PARTS = ["counts", "codec", "tier", "amount", "finished", "day", "reported", "voided", "unresolved"];
// A void is no task: it has no codec, no duration and no finish.
const PARTS_OF_VOID = ["counts", "reported"];

// What the part gave, in short.
function resultOf(name, part, kind) {
  switch (name) {
    case "counts":
      return kind === "snapshot"
        ? number(part.images) + " " + t("unit_images")
        : number(part.seconds) + " " + t("unit_s") + " · " + number(part.minutes) + " " + t("unit_min");
    case "codec":
      return part.name ?? "–";
    case "tier":
      return part.name ? t("tier_" + part.name) : "–";
    case "amount":
      return part.duration_ms !== null
        ? number(part.duration_ms) + " " + t("unit_ms")
        : part.images !== null
          ? number(part.images) + " " + t("unit_images")
          : "–";
    case "finished":
      return momentOf(part.time);
    case "day":
      return part.date;
    case "reported":
      return momentOf(part.arrived);
    default:
      return t("missing", measureNames(part.missing));
  }
}

function titleOf(name, task) {
  if (name === "amount" && task.kind === "snapshot") return "measure_images";
  return name === "unresolved" && !task.unresolved.resolved ? "part_waits" : "part_" + name;
}

// A record of the same project.
const Record = ({ project, source, id }) =>
  html`<a href=${href("task", [project, source, id], [])}>${source} / ${id}</a>`;

const By = ({ actor }) => html`<p>${t("voided_by", actor ?? "–")}</p>`;

function Part({ name, task }) {
  const part = task[name];
  const isIdle = name === "amount" && !task.counts.counted && (part.duration_ms ?? part.images) !== null;
  return html`<div class="part"><dt>${t(titleOf(name, task))}</dt><dd><strong>${name === "voided" ? part.reason : html`<${Said} text=${resultOf(name, part, task.kind)} />`}</strong>
    ${sentences(name, task).map(([language, text]) => html`<p key=${language} lang=${language}><${Said} text=${text} /></p>`)}
    ${isIdle && html`<p>${t("not_counted")}</p>`}
    ${name === "voided" && html`<${By} actor=${part.actor} /><p>${t("void_record", "")}<${Record} ...${part} project=${task.project} /></p>`}</dd></div>`;
}

// What a void cancels, and why.
const Cancels = ({ task: { project, voids } }) =>
  html`<div class="part"><dt>${t("part_cancels")}</dt><dd><strong><${Record} ...${voids} project=${project} /></strong>
    ${voids.reason && html`<p>${voids.reason}</p>`}<${By} actor=${voids.actor} /></dd></div>`;

// The rest of what the report said, as name and value. Texts of reports are shown as texts.
function Facts({ task }) {
  const facts = [
    ["project", task.project],
    ["source", task.source],
    ["id", task.id],
    ["task_id", task.task_id],
    ...Object.entries(task.measures ?? {}),
    ...Object.entries(task.labels ?? {}).map(([name, value]) => ["label." + name, value]),
    ...["src_url", "dest_name", "dest_bucket", "format", "created"].map((name) => [name, task[name]]),
  ];
  return html`<h2>${t("as_reported")}</h2><dl class="facts">${facts
    .filter(([, value]) => value !== null && value !== undefined)
    .map(
      ([name, value]) => html`<div key=${name}><dt><code>${name}</code></dt><dd>${String(value)}</dd></div>`,
    )}</dl>`;
}

function Story({ answer, projects }) {
  const task = answer.task;
  return html`<p class="about">${task.kind && html`<span>${t("kind_" + task.kind)}</span>`}
    <span>${t("status_" + task.status)}</span>
    <span><${Named} name=${projectName(projects, task.project)} id=${task.project} /></span></p>
    <dl class="parts">${task.voids && html`<${Cancels} task=${task} />`}
    ${(task.status === "void" ? PARTS_OF_VOID : PARTS).filter((name) => task[name]).map((name) => html`<${Part} key=${name} name=${name}
      task=${task} />`)}</dl>
    ${task.status !== "void" && html`<p class="note">${t("repeats")}</p>`}
    <${Facts} task=${task} />
    <details><summary>JSON</summary><pre tabindex="0">${JSON.stringify(answer, null, 2)}</pre></details>`;
}

// A browser shortens an address whose segment is "." or "..", even if it is encoded.
const isUnreachable = (path) => path.some((segment) => segment === "." || segment === "..");

export function Task({ path, params, projects, onDenied }) {
  const zone = params.get("zone");
  const whole = path.length === 3 && !isUnreachable(path);
  const question = whole ? askList(["tasks", ...path], zone ? [["zone", zone]] : []) : null;
  const state = useAnswer(JSON.stringify([path, zone]), question, onDenied);
  return html`<${Title} text=${t(state.answer?.task.status === "void" ? "view_void" : "view_task")}> <code>${path[2] ?? ""}</code><//>
    <p><a href="#/tasks" onClick=${(event) => {
      if (history.length > 1) {
        event.preventDefault();
        history.back();
      }
    }}>${t("back")}</a></p>
    ${!whole && html`<p class="failure" role="alert"><${Said} text=${t("unreachable_id")} withCode /></p>`}
    <div aria-live="polite" class="state">${whole && state.waits ? t("waits") : ""}</div>
    ${state.problem && html`<${Failure} problem=${state.problem} onRetry=${state.problem.status !== 404 && state.retry} />`}
    ${state.answer && html`<${Story} answer=${state.answer} projects=${projects} />`}`;
}
