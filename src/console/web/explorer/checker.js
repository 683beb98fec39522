// The checker of signatures: parameters and a private key in, the text that is signed and a verdict out. Nothing is
// sent.
import { html, useState } from "../vendor/preact.js";
import { Field, Title } from "../parts.js";
import { t } from "../words.js";
import { Signed } from "./answer.js";
import { check, read, Unreadable } from "./check.js";

const plain = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };

function Verdict({ result }) {
  const { given, isRight, mistakes, remarks } = result;
  const verdict = given === "" ? "sign_none" : isRight ? "sign_right" : "sign_wrong";
  return html`<div class=${"verdict " + (given === "" ? "" : isRight ? "right" : "wrong")} role="status" id="verdict">
    <p><strong>${t(verdict)}</strong></p>
    ${given !== "" && !isRight && html`<p>${t("sign_given")} <code>${given}</code></p>`}
    ${mistakes.map(([key, value]) => html`<p key=${key}>${t("mistake_" + key, value)}</p>`)}
    ${given !== "" && !isRight && mistakes.length === 0 && html`<p>${t("mistake_unknown")}</p>`}
    ${remarks.map(([key, value]) => html`<p key=${key + value}>${t("remark_" + key, value)}</p>`)}</div>`;
}

const Sorted = ({ params }) => html`<h2>${t("sorted")}</h2>
  <div class="scroll" tabindex="0" role="region" aria-label=${t("sorted")}><table>
  <thead><tr><th scope="col">${t("name")}</th><th scope="col">${t("value")}</th></tr></thead>
  <tbody>${params.map(
    ({ name, text }) => html`<tr key=${name}><th scope="row"><code>${name}</code></th>
    <td><code>${text}</code></td></tr>`,
  )}</tbody>
  </table></div>`;

export function Checker() {
  const [text, setText] = useState("");
  const [key, setKey] = useState("");
  const [state, setState] = useState({});
  const submit = (event) => {
    event.preventDefault();
    try {
      setState(key === "" ? { fault: new Unreadable("no_key") } : { result: check(read(text), key), key });
    } catch (fault) {
      if (!(fault instanceof Unreadable)) throw fault;
      setState({ fault });
    }
  };
  const clear = () => {
    setText("");
    setKey("");
    setState({});
  };
  return html`<${Title} text=${t("sign_title")} />
    <p>${t("sign_is")}</p>
    <form class="checker" onSubmit=${submit} novalidate>
      <${Field} label=${t("sign_params")}><textarea name="params" ...${plain} value=${text} rows="8"
        placeholder="Action=GetRegion&PublicKey=…&Signature=…"
        onInput=${(event) => setText(event.target.value)} /><//>
      <${Field} label="PrivateKey"><input name="key" type="password" ...${plain} value=${key}
        aria-describedby="check-help" onInput=${(event) => setKey(event.target.value)} /><//>
      <p id="check-help" class="note">${t("sign_key_help")}</p>
      <div class="controls"><button class="main">${t("sign_check")}</button>
        <button type="button" onClick=${clear}>${t("clear")}</button></div></form>
    ${
      state.fault &&
      html`<p class="failure" role="alert">
      ${t("unreadable_" + state.fault.key, ...state.fault.values)}</p>`
    }
    ${
      state.result &&
      html`<${Verdict} result=${state.result} />
      <${Signed} signed=${state.result} privateKey=${state.key} title=${t("text_to_sign")} />
      <${Sorted} params=${state.result.sorted} />`
    }`;
}
