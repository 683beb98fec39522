// Checks a signature as the server does, and if it is wrong, tries what people do wrong. Knows no page.
import {
  byBytes,
  canonical,
  digest,
  isSignature,
  keyedDigest,
  nodeText,
  NUMBER_MAX,
  plainNumber,
} from "./signing.js";
import { tree } from "./json.js";

const DEPTH_MAX = 32; // levels of JSON that the server reads

// Why the parameters cannot be read. key: of words.js.
export class Unreadable extends Error {
  constructor(key, ...values) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

// ---- reading ----

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// A % that two hex digits do not follow stays.
function percentDecode(text) {
  const bytes = [...utf8.encode(text)];
  const out = [];
  for (let i = 0; i < bytes.length; i++) {
    const pair = bytes[i] === 0x25 ? String.fromCharCode(...bytes.slice(i + 1, i + 3)) : "";
    if (/^[0-9a-fA-F]{2}$/.test(pair)) {
      out.push(parseInt(pair, 16));
      i += 2;
    } else out.push(bytes[i]);
  }
  try {
    return strict.decode(new Uint8Array(out));
  } catch {
    throw new Unreadable("not_utf8");
  }
}

const formDecode = (raw) => percentDecode(raw.replaceAll("+", " "));

function readForm(text) {
  const query =
    /^\s*(?:(?:GET|POST)\s+)?(?:https?:\/\/[^?\s]*)?\/?\?([^]*)$/.exec(text)?.[1].replace(/\s+HTTP\/[\d.]+$/, "") ??
    text;
  return query.split("&").flatMap((pair) => {
    if (pair === "") return [];
    const cut = pair.includes("=") ? pair.indexOf("=") : pair.length;
    const raw = pair.slice(cut + 1);
    return [{ name: formDecode(pair.slice(0, cut)), text: formDecode(raw), raw }];
  });
}

// Repeated names, numbers that are too long, and texts that are no UTF-8 or have a NUL, at any level.
function checkNode(node) {
  if (node.type === "number" && plainNumber(node.text) === null) throw new Unreadable("long_number", NUMBER_MAX);
  if (node.type === "string") checkText(node.text);
  if (node.type === "object") checkNames(node.items.map(([name]) => name));
  if (node.type === "object") node.items.forEach(([, value]) => checkNode(value));
  if (node.type === "array") node.items.forEach(checkNode);
}

function checkText(text) {
  if (text.includes("\0") || !text.isWellFormed()) throw new Unreadable("not_clean");
}

function checkNames(names) {
  names.forEach(checkText);
  const seen = new Set();
  for (const name of names) {
    if (seen.has(name.toLowerCase())) throw new Unreadable("name_twice", name);
    seen.add(name.toLowerCase());
  }
}

function readJson(text) {
  let node;
  try {
    JSON.parse(text);
    node = tree(text, DEPTH_MAX);
  } catch (error) {
    throw error instanceof RangeError
      ? new Unreadable("too_deep", DEPTH_MAX)
      : new Unreadable("not_json", error.message);
  }
  if (node.type !== "object") throw new Unreadable("not_object");
  checkNode(node);
  return node.items.map(([name, value]) => ({ name, text: nodeText(value), node: value }));
}

// The parameters of a form, a query, an address with a query, or a JSON object: [{name, text, raw or node}, …].
export function read(text) {
  const own = text.replace(/^[\r\n]+|[\r\n]+$/g, "");
  if (own.trim() === "") throw new Unreadable("nothing");
  const params = /^\s*[{[]/.test(own) ? readJson(own) : readForm(own);
  checkNames(params.map(({ name }) => name));
  params.forEach((param) => checkText(param.text));
  return params;
}

// ---- mistakes ----

const map = (change) => (params) => params.map((param) => ({ ...param, text: change(param) }));
const without = (drop) => (params) => params.filter((param) => !drop(param));
const isNamed = (wanted) => (param) => param.name.toLowerCase() === wanted;

// The text of a JSON value if a program signs what it has in memory.
function asWritten(node, words) {
  if (node.type === "object")
    return [...node.items]
      .sort(([a], [b]) => byBytes(a, b))
      .map(([name, one]) => name + asWritten(one, words))
      .join("");
  if (node.type === "array") return node.items.map((one) => asWritten(one, words)).join("");
  return node.type === "word" ? (words[node.text] ?? nodeText(node)) : node.text;
}
const asJson = (node) =>
  node.type === "object"
    ? "{" + node.items.map(([name, one]) => JSON.stringify(name) + ":" + asJson(one)).join(",") + "}"
    : node.type === "array"
      ? "[" + node.items.map(asJson).join(",") + "]"
      : node.type === "string"
        ? JSON.stringify(node.text)
        : node.text;
const ofNodes = (change) => map(({ node, text }) => (node ? change(node) : text));
const isNested = ({ type }) => type === "object" || type === "array";

// What programs do with the parameters before they sign. Each: [key of words.js, change of the parameters].
const CHANGES = [
  ["blanks", map(({ text }) => text.trim())],
  ["plus", map(({ text, raw }) => (raw?.includes("+") ? percentDecode(raw) : text))],
  ["as_sent", map(({ text, raw }) => raw ?? text)],
  ["encoded", map(({ text }) => encodeURIComponent(text))],
  ["encoded_form", map(({ text }) => new URLSearchParams([["", text]]).toString().slice(1))],
  ["decoded_twice", map(({ text }) => formDecode(text))],
  ["no_public_key", without(isNamed("publickey"))],
  ["no_action", without(isNamed("action"))],
  ["no_empty", without(({ text }) => text === "")],
  ["lower_names", (params) => params.map((param) => ({ ...param, name: param.name.toLowerCase() }))],
  ["numbers", ofNodes((node) => asWritten(node, {}))],
  ["words", ofNodes((node) => asWritten(node, { null: "null" }))],
  ["words", ofNodes((node) => asWritten(node, { null: "None", true: "True", false: "False" }))],
  ["nested", ofNodes((node) => (isNested(node) ? asJson(node) : nodeText(node)))],
];

const pairs = (params) => params.filter((param) => !isSignature(param));
const join = (params, between = "", around = "") =>
  params.map(({ name, text }) => name + between + text).join(around);
const padded = (name) => name.replace(/\d+/g, (digits) => digits.padStart(12, "0"));

// How programs make the text of them.
const TEXTS = [
  ["", canonical],
  ["order_given", (params) => join(pairs(params))],
  ["order_case", (params) => join(pairs(params).sort((a, b) => byBytes(a.name.toLowerCase(), b.name.toLowerCase())))],
  ["order_numbers", (params) => join(pairs(params).sort((a, b) => byBytes(padded(a.name), padded(b.name))))],
  [
    "separators",
    (params) =>
      join(
        pairs(params).sort((a, b) => byBytes(a.name, b.name)),
        "=",
        "&",
      ),
  ],
  [
    "separators",
    (params) =>
      join(
        pairs(params).sort((a, b) => byBytes(a.name, b.name)),
        "=",
      ),
  ],
  [
    "values_only",
    (params) =>
      pairs(params)
        .sort((a, b) => byBytes(a.name, b.name))
        .map(({ text }) => text)
        .join(""),
  ],
];

// How programs use the private key.
const KEYS = [
  ["", (text, key) => digest(text + key)],
  ["key_blanks", (text, key) => digest(text + key.trim())],
  ["key_newline", (text, key) => digest(text + key + "\n")],
  ["key_first", (text, key) => digest(key + text)],
  ["key_missing", (text) => digest(text)],
  ["key_separate", (text, key) => digest(text + "&" + key)],
  ["hmac", (text, key) => keyedDigest(key, text)],
];

const DROPS_MAX = 60; // parameters of which each alone is tried as one that was added after signing
const BYTES_MAX = 40 << 20; // that are hashed for two mistakes at once

function tries(params) {
  const drops = params.length <= DROPS_MAX ? params.filter((one) => !isSignature(one)) : [];
  const changes = [
    ["", (same) => same],
    ...CHANGES,
    ...drops.map((one) => ["added_later", without((param) => param === one || param.name === one.name), one.name]),
  ];
  const all = [];
  for (const change of changes) for (const text of TEXTS) for (const key of KEYS) all.push([change, text, key]);
  const mistakes = (one) => one.filter(([name]) => name !== "").length;
  return all.filter((one) => mistakes(one) <= 2).sort((a, b) => mistakes(a) - mistakes(b));
}

// What was done wrong, the fewest mistakes first: [[key, value], …]; [] if none of these gives the signature.
function explain(params, key, given) {
  let budget = BYTES_MAX;
  for (const one of tries(params)) {
    const [[, change], [, text], [, hash]] = one;
    let signed;
    try {
      signed = text(change(params));
    } catch (error) {
      if (error instanceof Unreadable) continue; // decoded twice, it is no UTF-8
      throw error;
    }
    budget -= signed.length;
    if (budget < 0) return [];
    if (hash(signed, key) === given)
      return one.filter(([name]) => name !== "").map(([name, , value]) => [name, value]);
  }
  return [];
}

// ---- the check ----

const hexOfBase64 = (text) => {
  try {
    return [...atob(text)].map((letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
};

// What can be said without the signature.
function remarks(params, key, given) {
  const has = (name) => params.some((param) => isNamed(name)(param) && param.text.trim() !== "");
  const made = [];
  if (!has("publickey")) made.push(["public_key_missing"]);
  if (!has("action")) made.push(["action_missing"]);
  for (const param of params) {
    const { name, text } = param;
    if (!isSignature(param) && (text !== text.trim() || name !== name.trim())) made.push(["has_blanks", name]);
  }
  if (key !== key.trim()) made.push(["key_has_blanks"]);
  if (given !== "" && !/^[0-9a-f]{40}$/i.test(given)) made.push(["not_hex", given.length]);
  return made;
}

// {text, signature, given, isRight, mistakes, remarks, sorted}. given: "" if there is no Signature.
export function check(params, key) {
  const text = canonical(params);
  const signature = digest(text + key);
  const given = params.find(isSignature)?.text.trim() ?? "";
  const isRight = given.toLowerCase() === signature;
  const isBase64 = !isRight && hexOfBase64(given) === signature;
  const mistakes = given === "" || isRight ? [] : isBase64 ? [["base64"]] : explain(params, key, given.toLowerCase());
  const sorted = pairs(params).sort((a, b) => byBytes(a.name, b.name));
  return { text, signature, given, isRight, mistakes, remarks: remarks(params, key, given), sorted };
}
