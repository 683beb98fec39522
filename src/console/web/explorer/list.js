// All operations of the server, with a search.
import { html, useState } from "../vendor/preact.js";
import { Field } from "../parts.js";
import { href } from "../place.js";
import { t } from "../words.js";
import { Prose } from "./prose.js";

const fits = (operation, text) => {
  const all = [operation.id, operation.path, operation.summary, operation.help].join("\n").toLowerCase();
  return text.split(/\s+/).every((word) => all.includes(word));
};

const Row = ({
  operation: { id, method, path, summary },
}) => html`<li><a class="name" href=${href("api", [id], [])}>${id}</a>${" "}
  <code>${method} ${path}</code><span class="summary"><${Prose} text=${summary} /></span></li>`;

// The server names its groups in English.
const named = (tag) => (t("tag_" + tag) === "tag_" + tag ? tag : t("tag_" + tag));

function Group({ tag, operations }) {
  return html`<section aria-labelledby=${"tag-" + tag.name}><h2 id=${"tag-" + tag.name}>${named(tag.name)}</h2>
    ${tag.description && html`<p class="note"><${Prose} text=${tag.description} /></p>`}
    <ul class="operations">${operations.map((one) => html`<${Row} key=${one.id} operation=${one} />`)}</ul></section>`;
}

export function List({ operations, tags, isUnknown }) {
  const [search, setSearch] = useState("");
  const found = operations.filter((one) => fits(one, search.trim().toLowerCase()));
  const named = tags.map((tag) => tag.name);
  const others = [...new Set(operations.map((one) => one.tag))].filter((name) => !named.includes(name));
  const groups = [...tags, ...others.map((name) => ({ name }))]
    .map((tag) => ({ tag, operations: found.filter((one) => one.tag === tag.name) }))
    .filter((group) => group.operations.length > 0);
  return html`${isUnknown && html`<p class="failure" role="alert">${t("unknown_operation")}</p>`}
    <p>${t("api_is")}</p>
    <div class="controls"><${Field} label=${t("search")}><input type="search" name="search" autocomplete="off"
      spellcheck="false" value=${search} onInput=${(event) => setSearch(event.target.value)} /><//></div>
    <p role="status" class="note">${t("operations_found", found.length, operations.length)}</p>
    ${groups.map((group) => html`<${Group} key=${group.tag.name} ...${group} />`)}`;
}
