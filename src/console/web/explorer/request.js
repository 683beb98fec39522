// A request from the values of a form; and what came of it.
import { ANSWER_MAX, root, send } from "../api.js";
import { byBytes, canonical, digest } from "./signing.js";
import { listed } from "../words.js";

const FORM = "application/x-www-form-urlencoded";

// What is given, in the order of the form: [[name, value], …]. Not of the path.
function given(operation, values, others) {
  const pairs = [];
  for (const param of operation.params) {
    const value = values[param.name];
    const { kind, prefix } = param.control;
    if (param.isPath || value.length === 0) continue;
    if (kind === "family")
      pairs.push(...value.filter(([name]) => name !== "").map(([name, text]) => [prefix + name, text]));
    else if (kind === "list" && param.isJoined) pairs.push([param.name, value.join(",")]);
    else if (kind === "list") pairs.push(...value.map((text) => [param.name, text]));
    else pairs.push([param.name, value]);
  }
  return [...pairs, ...others.filter(([name]) => name !== "")];
}

// The path with its segments. A browser shortens an address whose segment is "." or "..", even if it is encoded.
const pathOf = ({ path, params }, values) =>
  path.slice(1).replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(values[name].toWellFormed()));

// Why the form cannot be sent, as a key of words.js and its values; null.
export function fault(operation, values, others) {
  const missing = operation.params.filter(({ isRequired, name }) => isRequired && values[name].length === 0);
  if (missing.length > 0) return ["missing", listed(missing.map(({ name }) => name))];
  const dots = operation.params.find(({ isPath, name }) => isPath && (values[name] === "." || values[name] === ".."));
  if (dots) return ["dots", dots.name];
  const families = operation.params.filter(({ control }) => control.kind === "family").flatMap(({ name }) => values[name]);
  const odd = [...families, ...others].find(([name]) => !/^[\w.-]*$/.test(name));
  if (odd) return ["odd_name", odd[0]];
  const names = operation.isAction
    ? [...given(operation, values, others).map(([name]) => name), "PublicKey", "Signature", "Action"]
    : [];
  const twice = names.find((name, index) =>
    names.some((each, at) => at < index && each.toLowerCase() === name.toLowerCase()),
  );
  return twice ? ["name_twice", twice] : null;
}

// For snippets.js: the same request without any secret.
export function outline(operation, values, others) {
  const action = operation.isAction ? [["Action", operation.id]] : [];
  const params = [...action, ...given(operation, values, others)].map(([name, text]) => [name, text.toWellFormed()]);
  return {
    isAction: operation.isAction,
    needsToken: operation.needsToken,
    url: new URL(pathOf(operation, values), root).href,
    params: operation.isAction ? params.sort(([a], [b]) => byBytes(a, b)) : params,
  };
}

// {url, method, headers, body, signed}. signed: the text without the private key, and the signature; null for
// resources.
export function make(operation, values, others, keys) {
  const { url, params } = outline(operation, values, others);
  if (!operation.isAction) {
    const query = new URLSearchParams(params).toString();
    return { url: url + (query && "?" + query), method: operation.method, headers: {}, body: "", signed: null };
  }
  const all = [...params, ["PublicKey", keys.publicKey]];
  const text = canonical(all.map(([name, each]) => ({ name, text: each })));
  const signature = digest(text + keys.privateKey);
  const body = new URLSearchParams([...all, ["Signature", signature]]).toString();
  return { url, method: "POST", headers: { "Content-Type": FORM }, body, signed: { text, signature } };
}

// Reads up to ANSWER_MAX bytes. end: "whole", "long" (there is more) or "broken" (the connection ended too soon).
async function receive(answer) {
  const pieces = [];
  let size = 0;
  const reader = answer.body.getReader();
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return { pieces, size, end: "broken" };
    }
    if (piece.done) return { pieces, size, end: "whole" };
    pieces.push(piece.value);
    size += piece.value.length;
    if (size > ANSWER_MAX) {
      reader.cancel();
      return { pieces, size, end: "long" };
    }
  }
}

// {status, statusText, headers, blob, text, size, end, ms}. Throws Problem if nothing came, AbortError if it was
// cancelled.
export async function ask(operation, request, signal) {
  const start = performance.now();
  const headers = request.headers;
  const options = operation.isAction ? { method: request.method, headers, body: request.body } : {};
  const answer = await send(request.url, { withToken: operation.needsToken, signal, ...options });
  const { pieces, size, end } = await receive(answer);
  const ms = Math.round(performance.now() - start);
  const blob = new Blob(pieces);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await blob.arrayBuffer());
  const { status, statusText } = answer;
  return { status, statusText, headers: [...answer.headers], blob, text, size, end, ms };
}
