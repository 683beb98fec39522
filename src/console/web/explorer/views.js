// The door of the API browser: the views that app.js loads from here, with their words and their style sheet.
import { html, useEffect } from "../vendor/preact.js";
import { Failure, Title, useAnswer } from "../parts.js";
import { addWords, language, t } from "../words.js";
import { Checker } from "./checker.js";
import { load } from "./document.js";
import { List } from "./list.js";
import { Operation } from "./operation.js";
import { Report } from "./report.js";
import { en, zh } from "./words.js";

addWords({ en, "zh-CN": zh });

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("explorer.css", import.meta.url);
await new Promise((done) => {
  style.onload = style.onerror = done;
  document.head.append(style);
});

export const Sign = Checker;

// "#/api": the list. "#/api/NAME": the form of one.
export function Api({ path, params, projects, onDoor }) {
  const state = useAnswer("document " + language(), load, () => {});
  const name = path[0];
  const one = state.answer?.operations.find(({ id }) => id === name);
  useEffect(() => scrollTo(0, 0), [name]);
  if (one) {
    const shown = one.hasForm ? Operation : Report;
    return html`<${shown} key=${name} operation=${one} signedIn=${projects !== null} onDoor=${onDoor} />`;
  }
  const isUnknown = params.has("unknown") || (name !== undefined && !one);
  return html`<${Title} key="list" text=${t("view_api")} />
    <div aria-live="polite" class="state">${state.waits ? t("waits") : ""}</div>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
    ${state.answer && html`<${List} ...${state.answer} isUnknown=${isUnknown} />`}`;
}
