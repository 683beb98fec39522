// What was signed, what was sent, what came back.
import { html, useMemo, useState } from "../vendor/preact.js";
import { number } from "../parts.js";
import { keep } from "../save.js";
import { t } from "../words.js";
import { Copyable } from "./copy.js";
import { indent } from "./json.js";

const SHOWN_MAX = 1 << 20; // characters of an answer on the page

// The signed text ends with the private key, which is shown only while somebody wants it. "": it was forgotten.
export function Signed({ signed, privateKey, title }) {
  const [isShown, setShown] = useState(false);
  return html`<section aria-labelledby="signed"><h2 id="signed">${title}</h2>
    <pre tabindex="0" class="wrap" aria-labelledby="signed" id="canonical">${signed.text}${
      isShown && privateKey !== "" ? html`<mark>${privateKey}</mark>` : html`<mark>${"<PrivateKey>"}</mark>`
    }</pre>
    ${
      privateKey !== "" &&
      html`<p><button type="button" aria-pressed=${isShown}
      onClick=${() => setShown(!isShown)}>${t("reveal_key")}</button></p>`
    }
    <p>${t("its_sha1")} <code id="signature">${signed.signature}</code></p></section>`;
}

function Request({ request, needsToken }) {
  const lines = [`${request.method} ${request.url}`];
  if (needsToken) lines.push("Authorization: Bearer <" + t("your_token") + ">");
  lines.push(...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`));
  if (request.body) lines.push("", request.body);
  return html`<section aria-labelledby="request"><h2 id="request">${t("request")}</h2>
    <pre tabindex="0" class="wrap" aria-labelledby="request">${lines.join("\n")}</pre></section>`;
}

function Body({ answer, name }) {
  const isLong = answer.text.length > SHOWN_MAX;
  const shown = useMemo(() => (isLong ? answer.text.slice(0, SHOWN_MAX) : indent(answer.text)), [answer]);
  return html`${answer.end !== "whole" && html`<p class="failure" role="alert">${t("answer_" + answer.end)}</p>`}
    ${isLong && html`<p class="note">${t("part_shown", number(SHOWN_MAX))}</p>`}
    <${Copyable} id="answer-text" label=${t("answer")} text=${shown}>
      <button type="button" onClick=${() => keep(answer.blob, name)}>${t("save_answer")}</button><//>`;
}

const endings = [
  ["json", "json"],
  ["ndjson", "ndjson"],
  ["csv", "csv"],
];

export function Answer({ result, operation }) {
  const { request, answer, privateKey } = result;
  const type = answer.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  const ending = endings.findLast(([word]) => type.includes(word))?.[1] ?? "txt";
  return html`<section aria-labelledby="answer"><h2 id="answer">${t("answer")}</h2>
    <${Body} answer=${answer} name=${operation.id + "." + ending} />
    <details><summary>${t("headers")}</summary><pre tabindex="0" class="wrap" id="answer-headers"
      >${answer.headers.map(([name, value]) => name + ": " + value).join("\n")}</pre></details></section>
    ${
      request.signed &&
      html`<${Signed} signed=${request.signed} privateKey=${privateKey}
      title=${t("signed_text")} />`
    }
    <${Request} request=${request} needsToken=${operation.needsToken} />`;
}

// "200 OK · 12 ms · 345 bytes"
export const summary = ({ status, statusText, ms, size }) =>
  [`${status} ${statusText}`.trim(), t("milliseconds", number(ms)), t("bytes", number(size))].join(" · ");
