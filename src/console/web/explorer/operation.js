// One operation: its form, its answer, and the same request as a program.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Problem } from "../api.js";
import { drafts, keys } from "../memory.js";
import { Failure, Title } from "../parts.js";
import { t } from "../words.js";
import { Answer, summary } from "./answer.js";
import { CopyAs } from "./copy.js";
import { emptyOf, Pairs, Param } from "./inputs.js";
import { hasKeys, KeyForm } from "./keyform.js";
import { Prose } from "./prose.js";
import { ask, fault, make, outline } from "./request.js";

const emptyDraft = ({ params }) => ({
  values: Object.fromEntries(params.map((one) => [one.name, emptyOf(one)])),
  others: [],
});

function useDraft(operation) {
  const [draft, setDraft] = useState(drafts.get(operation.id) ?? emptyDraft(operation));
  const keep = (next) => {
    drafts.set(operation.id, next);
    setDraft(next);
  };
  return [draft, keep];
}

// The request that the description gives as an example. Values of a resource may exclude each other, so only what it
// needs.
const examplesOf = ({ params, example }) =>
  params
    .map(({ name, isRequired, example: own }) => [name, example[name] ?? (isRequired ? own : undefined)])
    .filter(([, value]) => value !== undefined);

// Sends a request; at most one at a time. state: {waits}, {request, answer, privateKey}, {problem} or {cancelled:
// true}. `clear` drops also what a request on its way will bring; `forgetKey` the key alone, also while a request waits.
function useAsk(operation) {
  const [state, setState] = useState({});
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);
  const start = async (values, others) => {
    const own = (stop.current = new AbortController());
    const request = make(operation, values, others, keys);
    const { privateKey } = keys;
    const show = (next) => stop.current === own && setState(next);
    setState({ waits: true, privateKey });
    try {
      const answer = await ask(operation, request, own.signal);
      show((now) => ({ request, privateKey: now.privateKey, answer }));
    } catch (error) {
      if (error.name === "AbortError") show({ cancelled: true });
      else if (error instanceof Problem) show({ problem: error });
      else throw error;
    }
  };
  const cancel = () => stop.current?.abort();
  const clear = () => {
    cancel();
    stop.current = null;
    setState({});
  };
  const forgetKey = () => setState((old) => ({ ...old, privateKey: "" }));
  return { state, start, cancel, clear, forgetKey };
}

function Form({ operation, draft, onDraft, waits, onSend, onCancel, onClear, mayAsk, onDoor }) {
  const examples = examplesOf(operation);
  const change = (name, value) => onDraft({ ...draft, values: { ...draft.values, [name]: value } });
  const fill = () => onDraft({ ...draft, values: { ...draft.values, ...Object.fromEntries(examples) } });
  const submit = (event) => {
    event.preventDefault();
    onSend();
  };
  return html`<form onSubmit=${submit} novalidate aria-labelledby="params"><h2 id="params">${t("parameters")}</h2>
    ${operation.params.map(
      (param) => html`<${Param} key=${param.name} param=${param} value=${draft.values[param.name]}
      onChange=${(value) => change(param.name, value)} />`,
    )}
    <div class="param"><div class="about-param"><span class="label">${t("other_params")}</span>
      <p id="help-others">${t(operation.isAction ? "others_signed" : "others_sent")}</p></div>
      <div class="control"><${Pairs} label=${t("other_params")} pairs=${draft.others} about="help-others"
        onChange=${(others) => onDraft({ ...draft, others })} /></div></div>
    <div class="controls">
      ${
        mayAsk
          ? html`<button class="main" disabled=${waits}>${t("send")}</button>`
          : html`<button type="button" class="main" onClick=${onDoor}>${t("sign_in_to_send")}</button>`
      }
      ${waits && html`<button type="button" onClick=${onCancel}>${t("cancel")}</button>`}
      ${examples.length > 0 && html`<button type="button" onClick=${fill}>${t("fill")}</button>`}
      <button type="button" onClick=${onClear}>${t("clear")}</button></div></form>`;
}

export function Operation({ operation, signedIn, onDoor }) {
  const [draft, setDraft] = useDraft(operation);
  const [refused, setRefused] = useState(null);
  const { state, start, cancel, clear, forgetKey } = useAsk(operation);
  const found = fault(operation, draft.values, draft.others);
  const onSend = () => {
    const why = operation.isAction && !hasKeys() ? ["no_keys"] : found;
    setRefused(why);
    if (!why) start(draft.values, draft.others);
  };
  const reset = () => {
    setDraft(emptyDraft(operation));
    setRefused(null);
    clear();
  };
  const said = state.waits
    ? t("waits")
    : state.cancelled
      ? t("cancelled")
      : state.answer
        ? summary(state.answer)
        : "";
  return html`<${Title} text=${operation.id} />
    <p><a href="#/api">${t("all_operations")}</a> · <code>${operation.method} ${operation.path}</code></p>
    <p><${Prose} text=${operation.help || operation.summary} /></p>
    ${operation.isAction && html`<${KeyForm} onForget=${forgetKey} />`}
    <${Form} operation=${operation} draft=${draft} onDraft=${setDraft} waits=${state.waits === true} onSend=${onSend}
      onCancel=${cancel} onClear=${reset} mayAsk=${signedIn || !operation.needsToken} onDoor=${onDoor} />
    ${refused && html`<p class="failure" role="alert">${t("fault_" + refused[0], refused[1])}</p>`}
    <p role="status" class="summary-line">${said}</p>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
    ${state.answer && html`<${Answer} result=${state} operation=${operation} />`}
    <${CopyAs} request=${found ? null : outline(operation, draft.values, draft.others)}
      problem=${found && t("fault_" + found[0], found[1])} />`;
}
