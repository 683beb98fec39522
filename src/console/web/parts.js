// What several views use.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { add, ask, Problem } from "./api.js";
import { language, t } from "./words.js";

export const number = (value) => new Intl.NumberFormat(language()).format(value);

// What a function gives, or the problem that it throws: {value} or {problem}.
export function attempt(make) {
  try {
    return { value: make() };
  } catch (error) {
    if (error instanceof Problem) return { problem: error };
    throw error;
  }
}

// The sum of a column as a text. A sum that a browser cannot have exactly is said to be larger than those it can.
export function sumOf(rows, column) {
  const sum = attempt(() => rows.reduce((all, row) => add(all, row[column]), 0));
  return sum.problem ? "> " + number(Number.MAX_SAFE_INTEGER) : number(sum.value);
}

// A text with its moments in the form of the page, each on one line. withCode: `code` is shown as code.
export function Said({ text, withCode = false }) {
  const units = text.replace(/(\d) (?=(?:ms|s|min|毫秒|秒|分钟)(?![\w-]))/g, "$1\u00a0");
  const counts = units.replace(/\d{4,}(?=\u00a0)/g, (digits) => number(Number(digits)));
  return counts.split(/(`[^`]+`|\d{4}-\d\d-\d\d(?:[T ][\d:.]+ ?(?:Z|[+-]\d\d:\d\d)?)?)/).map((piece, index) =>
    index % 2 === 0
      ? piece
      : piece.startsWith("`")
        ? withCode
          ? html`<code>${piece.slice(1, -1)}</code>`
          : piece
        : html`<span class="whole">${piece[10] === "T" ? momentOf(piece) : piece}</span>`,
  );
}

// What the server wrote, as a sentence.
export const sentenceOf = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?。]$/.test(text) ? "" : ".");

// The server's own words, which are English.
export const ServerSays = ({ text }) =>
  html`<p>${t("server_says")} <span lang="en"><${Said} text=${sentenceOf(text)} withCode /></span></p>`;

const WORDS_OF_STATUS = [404, 503];

// onRetry: asks the same again; absent: there is no way to.
export function Failure({ problem, onRetry }) {
  const { kind, status, message } = problem;
  const own = kind ?? (WORDS_OF_STATUS.includes(status) ? status : "server");
  return html`<div class="failure" role="alert"><p>${t("problem_" + own, status)}</p>
    ${!kind && message && html`<${ServerSays} text=${message} />`}
    ${onRetry && html`<p><button type="button" onClick=${onRetry}>${t("try_again")}</button></p>`}</div>`;
}

// Asks when `key` changes; an answer to another question is never shown. Returns {answer, problem, waits, last, retry}.
// last: the answer before, while the next one is on its way; only for what a form offers. retry(): asks again.
export function useAnswer(key, question, onDenied) {
  const [state, setState] = useState({ waits: true });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (!question) return undefined;
    const stop = new AbortController();
    question(stop.signal).then(
      (answer) => setState({ key, answer, waits: false }),
      (error) => {
        if (error.name === "AbortError") return;
        if (!(error instanceof Problem)) throw error;
        if (error.status === 401) onDenied(error);
        else setState((old) => ({ key, problem: error, answer: old.answer, waits: false }));
      },
    );
    return () => stop.abort();
  }, [key, tries]);
  const fits = state.key === key && !state.waits;
  return {
    waits: !fits,
    answer: fits && !state.problem ? state.answer : undefined,
    problem: fits ? state.problem : undefined,
    last: state.answer,
    retry: () => {
      setState((old) => ({ answer: old.answer, waits: true }));
      setTries((count) => count + 1);
    },
  };
}

// The title of a view takes the focus when the view changes, so that a screen reader says where one is.
export function Title({ text, children }) {
  const own = useRef(null);
  useEffect(() => {
    document.title = text + " · codecmeter";
  }, [text]);
  useEffect(() => own.current.focus({ preventScroll: true }), []);
  return html`<h1 ref=${own} tabindex="-1">${text}${children}</h1>`;
}

export function Field({ label, children }) {
  return html`<label class="field"><span>${label}</span>${children}</label>`;
}

export function Select({ label, value, options, onChange }) {
  return html`<${Field} label=${label}><select value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
  </select><//>`;
}

export const askList = (path, params) => (signal) => ask(path, params, signal);

// A value of a group: what is absent has a name of its own.
export const seriesName = (by, value) =>
  value === null || value === undefined ? t("no_" + by) : by === "tier" ? t("tier_" + value) : value;

export const projectName = (projects, id) => projects.find((project) => project.id === id)?.name || id;

// A name, and the id of what it names beside it. A long name is cut where it is shown, not in the page's text.
export const Named = ({ name, id }) =>
  html`<span class="named" title=${name}>${name}</span>${id && id !== name && html` <small>${id}</small>`}`;

export const inWords = ({ name, id }) => (id && id !== name ? name + " (" + id + ")" : name);

// "2026-10-05T13:00:01.500+08:00" -> "2026-10-05 13:00:01.500 +08:00"
export const momentOf = (text) => text.slice(0, 10) + " " + text.slice(11).replace(/([+-]\d\d:\d\d|Z)$/, " $1");

// Whether a table is wider than its box, which then shows each row as a card, so that no number is cut: [ref of the
// box, isNarrow]. content: a text that changes with what the table shows.
export function useCards(content) {
  const own = useRef(null);
  const [needs, setNeeds] = useState(0); // px; 0: the table fits
  useLayoutEffect(() => setNeeds(0), [content]);
  useLayoutEffect(() => {
    const look = () => {
      const { scrollWidth, clientWidth, offsetWidth } = own.current;
      setNeeds((old) =>
        old > 0 ? (offsetWidth >= old ? 0 : old) : scrollWidth > clientWidth ? offsetWidth + scrollWidth - clientWidth : 0,
      );
    };
    look(); // the observer looks after the page was drawn once, which would show cut numbers
    const observer = new ResizeObserver(look);
    observer.observe(own.current);
    return () => observer.disconnect();
  }, [content, needs === 0]);
  return [own, needs > 0];
}
