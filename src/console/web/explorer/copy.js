// The request of a form as a program, to be copied.
import { html, useRef, useState } from "../vendor/preact.js";
import { listed, t } from "../words.js";
import { LANGUAGES, PRIVATE_KEY, PUBLIC_KEY, TOKEN } from "./snippets.js";

// navigator.clipboard exists on https and on loopback only; a selection can be copied everywhere.
function copyText(element) {
  const selection = getSelection();
  selection.selectAllChildren(element);
  const isCopied = document.execCommand("copy");
  selection.removeAllRanges();
  return isCopied;
}

// The text of an element, with a button that copies it. children: other buttons.
export function Copyable({ text, label, id, children }) {
  const own = useRef(null);
  const [said, setSaid] = useState(null); // {of, word}: of another text it is no longer true
  const copy = () => setSaid({ of: text, word: copyText(own.current) ? "copied" : "not_copied" });
  return html`<pre ref=${own} id=${id} tabindex="0" aria-label=${label}>${text}</pre>
    <p class="controls"><button type="button" onClick=${copy}>${t("copy")}</button>${children}
    <span role="status">${said?.of === text ? t(said.word) : ""}</span></p>`;
}

let chosen = "curl"; // kept from form to form

export function CopyAs({ request, problem }) {
  const [language, setLanguage] = useState(chosen);
  const choose = (name) => {
    chosen = name;
    setLanguage(name);
  };
  const [, file, made] = LANGUAGES.find(([name]) => name === language);
  const secrets = request?.isAction ? [PUBLIC_KEY, PRIVATE_KEY] : request?.needsToken ? [TOKEN] : [];
  return html`<section aria-labelledby="copy"><h2 id="copy">${t("copy_as")}</h2>
    <div class="controls" role="group" aria-labelledby="copy">${LANGUAGES.map(
      ([name]) => html`<button type="button" key=${name} aria-pressed=${name === language}
        onClick=${() => choose(name)}>${name}</button>`,
    )}</div>
    ${problem && html`<p class="note">${problem}</p>`}
    ${
      request &&
      html`<p class="note">${secrets.length > 0 && t("secrets_from", listed(secrets))}
        ${language === "curl" ? "" : " " + t("save_snippet", file)}</p>
      <${Copyable} id="snippet" label=${language} text=${made(request)} />`
    }</section>`;
}
