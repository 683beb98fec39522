// What takes reports: its text and its examples. There is no form, because programs report, with tokens that may
// write.
import { html } from "../vendor/preact.js";
import { Title } from "../parts.js";
import { t } from "../words.js";
import { Copyable } from "./copy.js";
import { Prose } from "./prose.js";

export function Report({ operation }) {
  const { id, method, path, help, summary, docs, bodies } = operation;
  return html`<${Title} text=${id} />
    <p><a href="#/api">${t("all_operations")}</a> · <code>${method} ${path}</code></p>
    <p><${Prose} text=${help || summary} /></p>
    <p class="note">${t("no_form")}</p>
    ${docs && html`<p>${t("docs")} <a href=${docs.url}>${docs.description ?? docs.url}</a></p>`}
    ${bodies.map(
      ([type, text]) => html`<section key=${type}><h2>${t("example_body", type)}</h2>
      <${Copyable} text=${text} label=${t("example_body", type)} /></section>`,
    )}`;
}
