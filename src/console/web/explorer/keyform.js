// The key pair with which actions are signed. Neither half is in an attribute, an address, a title or a storage.
import { html, useState } from "../vendor/preact.js";
import { Field } from "../parts.js";
import { t } from "../words.js";
import { forgetKeys, keys } from "../memory.js";

const plain = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };

export const hasKeys = () => keys.publicKey !== "" && keys.privateKey !== "";

// onChange: a key was typed or forgotten. onForget: what was made with them is to be forgotten, too.
export function KeyForm({ onChange, onForget }) {
  const [, redraw] = useState(0);
  const changed = () => {
    redraw((count) => count + 1);
    onChange();
  };
  const input = (name, type, label) => html`<${Field} label=${label}><input name=${name} type=${type} ...${plain}
    value=${keys[name]} aria-describedby="keys-help" onInput=${(event) => {
      keys[name] = event.target.value.trim();
      changed();
    }} /><//>`;
  const forget = () => {
    forgetKeys();
    onForget();
    changed();
  };
  return html`<section aria-labelledby="keys"><h2 id="keys">${t("keys")}</h2>
    <div class="controls keys">${input("publicKey", "text", "PublicKey")}${input("privateKey", "password", "PrivateKey")}
      <button type="button" onClick=${forget}>${t("forget_keys")}</button></div>
    <p id="keys-help" class="note">${t("keys_help")}</p></section>`;
}
