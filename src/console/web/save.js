// The files of a list: CSV as the server writes it, and a workbook that is made here, of what the page shows.
import { html, useState } from "./vendor/preact.js";
import { csv, Problem } from "./api.js";
import { Failure } from "./parts.js";
import { t } from "./words.js";

export function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The first row names the columns; without rows, the first line of the CSV does.
async function namesOf(rows, path, params) {
  if (rows.length > 0) return Object.keys(rows[0]);
  const text = await (await csv(path, params)).text();
  return text.replace(/^\ufeff/, "").split(/\r?\n/, 1)[0].split(",");
}

async function workbookOf(rows, path, params) {
  let module;
  try {
    module = await import("./xlsx.js");
  } catch (error) {
    throw new Problem(0, error.message, "unreachable");
  }
  try {
    return await module.workbook(path[0], await namesOf(rows, path, params), rows);
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(0, "", "too_long_xlsx");
    throw error;
  }
}

// What a browser cannot put into a workbook.
const BEYOND = ["too_long", "too_large", "too_long_xlsx"];

const quoted = (value) => (/^[\w.:/+-]+$/.test(value) ? value : "'" + value.replaceAll("'", "'\\''") + "'");

const ByCommand = ({ name, params }) =>
  html`<p class="note">${t("xlsx_by_command")} <code>codecmeter ${name} ${params.map(([option, value]) => `--${option} ${quoted(value)} `)}--output ${name}.xlsx</code></p>`;

// path, params: what the CSV is asked for. name: of the files, without ending. rows(): a promise of all rows, as of the position
// that the page shows; absent: only the CSV.
export function Save({ path, params, name, rows, onDenied }) {
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(null);
  const start = async (ending, make) => {
    setProblem(null);
    setWaits(ending);
    try {
      keep(await make(), name + "." + ending);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) onDenied(error);
      else setProblem(error);
    } finally {
      setWaits(null);
    }
  };
  const button = (ending, make) => html`<button type="button" onClick=${() => start(ending, make)}
    disabled=${waits !== null}>${waits === ending ? t("saving") : t("save_" + ending)}</button>`;
  return html`<div class="save">${button("csv", () => csv(path, params))}
    ${rows && button("xlsx", async () => workbookOf(await rows(), path, params))}</div>
    ${problem && html`<${Failure} problem=${problem} />`}
    ${(!rows || BEYOND.includes(problem?.kind)) && html`<${ByCommand} name=${path[0]} params=${params} />`}`;
}
