// The console: who is signed in, which language, which view. One file for each view; docs/console.md draws the whole.
import { html, render, useEffect, useState } from "./vendor/preact.js";
import { ask, isToken, Problem, setToken } from "./api.js";
import { lazy } from "./lazy.js";
import { forgetAll } from "./memory.js";
import { read, takeToken } from "./place.js";
import { SignIn } from "./signin.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";
import { Usage } from "./usage.js";
import { language, setLanguage, t } from "./words.js";

const explorer = (name) => lazy(() => import("./explorer/views.js").then((views) => views[name]));

// A view is a row here, and a file. in_menu: it has a link of its own. of: the view that leads to it. is_open: it
// needs no token.
const views = {
  usage: { show: Usage, in_menu: true },
  tasks: { show: Tasks, in_menu: true },
  task: { show: Task, of: "tasks" },
  api: { show: explorer("Api"), in_menu: true, is_open: true },
  sign: { show: explorer("Sign"), in_menu: true, is_open: true },
};

const first = takeToken(); // before anything else runs

function Language({ onChange }) {
  const other = language() === "zh-CN" ? ["en", "English"] : ["zh-CN", "中文"];
  return html`<button type="button" lang=${other[0]} onClick=${() => onChange(other[0])}>${other[1]}</button>`;
}

function Bar({ view, signedIn, isDoor, onLanguage, onLeave, onDoor }) {
  const menu = Object.keys(views).filter((name) => views[name].in_menu && (signedIn || views[name].is_open));
  return html`<header class="bar">
    <span class="brand">codecmeter</span>
    ${
      !isDoor &&
      html`<nav aria-label=${t("views")}>${menu.map(
        (name) => html`<a key=${name} href=${"#/" + name}
      aria-current=${name === (views[view].of ?? view) ? "page" : undefined}>${t("view_" + name)}</a>`,
      )}</nav>`
    }
    <span class="end"><${Language} onChange=${onLanguage} />
    ${signedIn && html`<button type="button" onClick=${() => onLeave(null)}>${t("sign_out")}</button>`}
    ${!signedIn && !isDoor && html`<button type="button" onClick=${onDoor}>${t("sign_in")}</button>`}</span>
  </header>`;
}

function App() {
  const [, redraw] = useState(0);
  const [place, setPlace] = useState(read(location.hash));
  const [projects, setProjects] = useState(null);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(false);
  const [session, setSession] = useState(0); // its end clears the view: answers are for who was signed in
  const [isAsked, setAsked] = useState(false); // for a token, on a view that needs none

  const leave = (why) => {
    if (why === null) forgetAll();
    setSession((count) => count + 1);
    setToken("");
    setProjects(null);
    setProblem(why);
  };
  const enter = async (token) => {
    setWaits(true);
    setProblem(null);
    setProjects(null);
    setAsked(true);
    setToken(token);
    try {
      if (!isToken(token)) throw new Problem(401, "");
      setProjects((await ask(["projects"])).rows);
      setAsked(false);
    } catch (error) {
      leave(error);
    } finally {
      setWaits(false);
    }
  };
  useEffect(() => {
    const onHash = () => {
      const token = takeToken();
      if (token) enter(token);
      else setAsked(false);
      setPlace(read(location.hash));
    };
    addEventListener("hashchange", onHash);
    const token = takeToken() || first; // the address may have changed since the module began
    setPlace(read(location.hash));
    if (token) enter(token);
    return () => removeEventListener("hashchange", onHash);
  }, []);

  document.documentElement.lang = language();
  const view = Object.hasOwn(views, place.view) ? place.view : "usage";
  const change = (name) => {
    setLanguage(name);
    redraw((count) => count + 1);
  };
  const shown = views[view].show;
  const isDoor = projects === null && (isAsked || !views[view].is_open);
  return html`<${Bar} view=${view} signedIn=${projects !== null} isDoor=${isDoor} onLanguage=${change} onLeave=${leave}
    onDoor=${() => setAsked(true)} />
    ${
      isDoor
        ? html`<${SignIn} problem=${problem} tries=${enter} waits=${waits} onOpen=${() => setAsked(false)} />`
        : html`<main key=${view + session}><${shown} path=${place.path} params=${place.params}
          projects=${projects} onDenied=${leave} onDoor=${() => setAsked(true)} /></main>`
    }`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
