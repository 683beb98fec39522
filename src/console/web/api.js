// Asks /v1. The token lives in this module's memory and nowhere else: a reload forgets it.

let token = "";
export const root = new URL("../", document.baseURI); // of the server, also below a prefix
const base = new URL("v1/", root);
export const ANSWER_MAX = 16 << 20; // bytes of an answer that is shown; more belongs into a CSV file

// Why there is no answer. status: 0, nothing came; else the server's. kind: a key of words.js for our own reasons.
export class Problem extends Error {
  constructor(status, detail, kind) {
    super(detail);
    this.status = status;
    this.kind = kind;
  }
}

export function setToken(text) {
  token = text;
}

// Header values are visible ASCII, and so is every token.
export const isToken = (text) => /^[\x21-\x7e]+$/.test(text);

function address(path, params) {
  const url = new URL(path.map(encodeURIComponent).join("/"), base);
  url.search = new URLSearchParams(params).toString();
  return url;
}

// What came, whatever its status. Nothing is kept, and no other host is told or asked.
export async function send(url, { withToken, signal, ...rest }) {
  try {
    return await fetch(url, {
      headers: withToken ? { Authorization: "Bearer " + token } : {},
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal,
      ...rest,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, error.message, "unreachable");
  }
}

async function request(path, params, signal) {
  const answer = await send(address(path, params), { withToken: true, signal });
  if (answer.ok) return answer;
  let detail = answer.statusText;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    /* not from our server, perhaps a proxy */
  }
  throw new Problem(answer.status, detail);
}

// room: what answers may have together, {bytes}.
export async function readText(answer, room = { bytes: ANSWER_MAX }) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let all = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, error.message, "cut");
    });
    if (done) return all + decoder.decode();
    room.bytes -= value.length;
    if (room.bytes < 0) {
      reader.cancel();
      throw new Problem(0, "", "too_long");
    }
    all += decoder.decode(value, { stream: true });
  }
}

// A browser's numbers are exact up to 2^53. Beyond it nothing is shown, because it would be wrong.
const exact = (name, value) => {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Problem(0, name, "too_large");
  return value;
};

export const add = (sum, value) => exact("", sum + value);

// path: ["usage"], or ["tasks", project, source, id]. params: [[name, value], …]
export async function ask(path, params = [], signal, room = { bytes: ANSWER_MAX }) {
  const body = await readText(await request(path, params, signal), room);
  let answer;
  try {
    answer = JSON.parse(body, exact);
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0, "", "cut");
  }
  if (answer.complete !== true) throw new Problem(0, "", "cut");
  return answer;
}

// The rows of a list behind a cursor, all of them: as of the position of its first page.
export async function askRest(path, params, cursor) {
  const room = { bytes: ANSWER_MAX };
  const rows = [];
  while (cursor) {
    const page = await ask(path, [...params, ["limit", "1000"], ["cursor", cursor]], undefined, room);
    rows.push(...page.rows);
    cursor = page.next_cursor;
  }
  return rows;
}

// A list as CSV, of any length. The request has the token in its header, so this cannot be a plain link.
export async function csv(path, params) {
  const answer = await request(path, [...params, ["format", "csv"]]);
  try {
    return await answer.blob();
  } catch (error) {
    throw new Problem(0, error.message, "cut");
  }
}
