// Views whose files are loaded when somebody opens them, so that the first view stays small.
import { html, useEffect, useState } from "./vendor/preact.js";
import { Problem } from "./api.js";
import { Failure } from "./parts.js";
import { t } from "./words.js";

// A component that loads the one that `load` promises, and shows it.
export const lazy = (load) =>
  function Lazy(props) {
    const [{ View, problem }, setState] = useState({});
    useEffect(() => {
      load().then(
        (View) => setState({ View }),
        (error) => setState({ problem: new Problem(0, error.message, "not_loaded") }),
      );
    }, []);
    if (problem) return html`<${Failure} problem=${problem} />`;
    return View ? html`<${View} ...${props} />` : html`<p class="state">${t("waits")}</p>`;
  };
