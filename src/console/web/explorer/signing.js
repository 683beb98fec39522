// The signature of UCloud's API: which text is signed, and its SHA-1. docs/signature.md has the rules. A parameter is
// {name, text}: its value as text; of JSON, `node` has the value (json.js).
import { hmac, sha1 } from "../vendor/sha1.js";

export const NUMBER_MAX = 400; // characters of a number in plain digits

const encoder = new TextEncoder();
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const digest = (text) => hex(sha1(encoder.encode(text)));
export const keyedDigest = (key, text) => hex(hmac(sha1, encoder.encode(key), encoder.encode(text)));

// By the bytes of UTF-8. The order of JavaScript's own comparison is another one beyond U+FFFF.
export function byBytes(a, b) {
  const x = encoder.encode(a),
    y = encoder.encode(b);
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}

// A JSON number as plain digits: 4.2e1 is 42, 1.50 is 1.5, -0 is 0. null: longer than NUMBER_MAX.
export function plainNumber(token) {
  const [, minus, whole, part = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token);
  const all = whole + part;
  const digits = all.replace(/^0+/, "");
  if (/^0*$/.test(digits)) return "0";
  const point = digits.length - part.length + Number(exponent); // the place of the point among the digits
  if (Math.abs(point) > NUMBER_MAX) return null;
  const padded = point > 0 ? digits.padEnd(point, "0") : "0".repeat(1 - point) + digits;
  const before = Math.max(point, 1);
  const behind = padded.slice(before).replace(/0+$/, "");
  const plain = minus + padded.slice(0, before) + (behind && "." + behind);
  return plain.length > NUMBER_MAX ? null : plain;
}

// The text of a JSON value in the text that is signed.
export function nodeText(node) {
  if (node.type === "object") {
    const sorted = [...node.items].sort(([a], [b]) => byBytes(a, b));
    return sorted.map(([name, value]) => name + nodeText(value)).join("");
  }
  if (node.type === "array") return node.items.map(nodeText).join("");
  if (node.type === "number") return plainNumber(node.text) ?? "";
  return node.text === "null" && node.type === "word" ? "" : node.text;
}

export const isSignature = ({ name }) => name.toLowerCase() === "signature";

// The text that is signed, without the private key at its end.
export function canonical(params) {
  const signed = params.filter((param) => !isSignature(param)).sort((a, b) => byBytes(a.name, b.name));
  return signed.map(({ name, text }) => name + text).join("");
}
