// What several views use.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
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

export function Failure({ problem }) {
  const own = problem.kind ? t("problem_" + problem.kind) : t("problem_server", problem.status);
  const detail = problem.message && problem.kind !== "too_long" && problem.kind !== "too_large";
  return html`<div class="failure" role="alert"><p>${own}</p>${detail && html`<p
    lang="en">${problem.message}</p>`}</div>`;
}

// Asks when `key` changes; an answer to another question is never shown. Returns {answer, problem, waits, last}.
// last: the answer before, while the next one is on its way; only for what a form offers.
export function useAnswer(key, question, onDenied) {
  const [state, setState] = useState({ waits: true });
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
  }, [key]);
  const fits = state.key === key && !state.waits;
  return {
    waits: !fits,
    answer: fits && !state.problem ? state.answer : undefined,
    problem: fits ? state.problem : undefined,
    last: state.answer,
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

// "2026-10-05T13:00:01.500+08:00" -> "2026-10-05 13:00:01.500 +08:00"
export const momentOf = (text) => text.slice(0, 10) + " " + text.slice(11).replace(/([+-]\d\d:\d\d|Z)$/, " $1");
