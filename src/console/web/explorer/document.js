// The server's description of its API (/openapi.json), as forms need it. Nothing here knows an operation.
import { Problem, readText, send } from "../api.js";
import { language } from "../words.js";

const documents = new Map(); // by language; the server does not change while the page is open

const optionsOf = (schema) => schema.enum ?? (schema.type === "boolean" ? [false, true] : []);
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// Of a list: the choices that it names, and whether it takes others too.
function listOf(items) {
  const ways = items.anyOf ?? items.oneOf ?? [items];
  return { options: ways.flatMap(optionsOf).map(text), isFree: ways.some((way) => optionsOf(way).length === 0) };
}

// How a value is given: {kind: "text" | "choice" | "list" | "family", …}.
function controlOf(schema, family) {
  if (family) return { kind: "family", prefix: family };
  if (schema.type === "array") return { kind: "list", ...listOf(schema.items) };
  const options = optionsOf(schema).map(text);
  return options.length > 0 ? { kind: "choice", options } : { kind: "text", isInteger: schema.type === "integer" };
}

// An example as the form's own value: a text, a list of texts, or pairs.
function exampleOf(value, { kind, prefix }) {
  if (value === undefined) return undefined;
  if (kind === "list") return [value].flat().map(text);
  if (kind === "family") return Object.entries(value).map(([name, each]) => [name.slice(prefix.length), text(each)]);
  return text(value);
}

function paramOf(name, schema, more) {
  const control = controlOf(schema, more.family);
  return {
    name,
    control,
    help: more.help ?? schema.description ?? "",
    isRequired: more.isRequired === true,
    isPath: more.in === "path",
    mayBeEmpty: more.mayBeEmpty === true,
    isJoined: more.isJoined === true,
    least: schema.minimum,
    most: schema.maximum,
    longest: schema.maxLength,
    preset: schema.default === undefined ? undefined : text(schema.default),
    example: exampleOf(more.example ?? schema.examples?.[0], control),
  };
}

const parameterOf = (one) =>
  paramOf(one.name, one.schema, {
    in: one.in,
    help: one.description,
    isRequired: one.required,
    mayBeEmpty: one.allowEmptyValue,
    isJoined: one.explode === false,
    family: one["x-codecmeter-family"],
    example: one.example,
  });

const FORM = "application/x-www-form-urlencoded";
const ADDED = ["Action", "PublicKey", "Signature"]; // by the frame of signed requests

function fieldsOf(body) {
  const schema = body?.content?.[FORM]?.schema;
  return Object.entries(schema?.properties ?? {})
    .filter(([name]) => !ADDED.includes(name))
    .map(([name, each]) => paramOf(name, each, { isRequired: schema.required?.includes(name) }));
}

// The examples of what a report sends: [[media type, text], …].
const bodiesOf = (body) =>
  Object.entries(body?.content ?? {})
    .filter(([, { example }]) => example !== undefined)
    .map(([type, { example }]) => [type, typeof example === "string" ? example : JSON.stringify(example, null, 2)]);

// The parameters of the request that is the action's example: {name: text}.
function formExample(body) {
  const example = body?.content?.[FORM]?.example ?? {};
  return Object.fromEntries(Object.entries(example).map(([name, value]) => [name, text(value)]));
}

function operationOf(path, method, one) {
  const kind = one["x-codecmeter-kind"];
  const isAction = kind === "action";
  return {
    id: one.operationId,
    tag: one.tags?.[0] ?? "",
    isAction,
    hasForm: isAction || method === "get",
    needsToken: (one.security ?? []).length > 0,
    method: method.toUpperCase(),
    path: path.split("#")[0],
    docs: one.externalDocs ?? null,
    bodies: isAction ? [] : bodiesOf(one.requestBody),
    example: isAction ? formExample(one.requestBody) : {},
    summary: one.summary ?? "",
    help: one.description ?? "",
    params: isAction ? fieldsOf(one.requestBody) : (one.parameters ?? []).map(parameterOf),
  };
}

const METHODS = ["get", "post", "put", "delete"];

function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, ways]) =>
    METHODS.filter((method) => ways[method]).map((method) => operationOf(path, method, ways[method])),
  );
}

// {operations, tags: [{name, description}, …]} in the language of the console.
export async function load(signal) {
  const lang = language() === "zh-CN" ? "zh" : "en";
  if (!documents.has(lang)) {
    const url = new URL("../openapi.json?lang=" + lang, document.baseURI);
    const answer = await send(url, { signal, withToken: false });
    if (!answer.ok) throw new Problem(answer.status, answer.statusText);
    try {
      const made = JSON.parse(await readText(answer));
      documents.set(lang, { operations: operationsOf(made), tags: made.tags ?? [] });
    } catch (error) {
      throw error instanceof Problem || error.name === "AbortError" ? error : new Problem(0, "", "cut");
    }
  }
  return documents.get(lang);
}
