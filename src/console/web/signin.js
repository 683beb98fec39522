// The door: asks for a read token and tries it.
import { html, useState } from "./vendor/preact.js";
import { isToken } from "./api.js";
import { Failure, ServerSays, Title } from "./parts.js";
import { t } from "./words.js";

// problem: why the last token did not work; null. tries(token): a promise that ends when the token was tried. onOpen: a view without a token is wanted.
export function SignIn({ problem, tries, waits, onOpen }) {
  const [malformed, setMalformed] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    const input = event.target.elements.token;
    const token = input.value.trim();
    setMalformed(!isToken(token));
    if (!isToken(token)) return;
    input.value = "";
    tries(token);
  };
  const denied = problem && (problem.status === 401 || problem.status === 403);
  return html`<main class="door">
    <${Title} text=${t("sign_in")} />
    ${malformed && html`<div class="failure" role="alert"><p>${t("malformed_token")}</p></div>`}
    ${
      !malformed &&
      denied &&
      html`<div class="failure" role="alert"><p>${t("denied_" + problem.status)}</p>
      ${problem.message && html`<${ServerSays} text=${problem.message} />`}</div>`
    }
    ${!malformed && problem && !denied && html`<${Failure} problem=${problem} />`}
    <form onSubmit=${submit}>
      <label class="field"><span>${t("token")}</span>
        <input name="token" type="password" autocomplete="off" spellcheck="false" autocapitalize="off" required
          placeholder="cm_…" aria-describedby="token-help" /></label>
      <button class="main" disabled=${waits}>${waits ? t("waits") : t("sign_in")}</button>
    </form>
    <p id="token-help">${t("token_help")}</p>
    <p><code>codecmeter console</code></p>
    <p>${t("memory_only")}</p>
    <p>${t("without_token")} <a href="#/api" onClick=${onOpen}>${t("view_api")}</a> · <a href="#/sign" onClick=${onOpen}>${t("view_sign")}</a></p>
  </main>`;
}
