// A browser for the tests in Python. Reads one JSON object a line: {id, op, ...}; answers one a line: {id, value} or
// {id, error}. `run` runs the body of an async function with page, context, args and AXE (the source of axe-core).
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.env.CODECMETER_BROWSER_MODULES + "/");
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

const browser = await chromium.launch({
  executablePath: process.env.CODECMETER_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--host-resolver-rules=MAP ${process.env.CODECMETER_HOST} 127.0.0.1`],
});
const contexts = new Map();

async function open({ name, options }) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(60000);
  const page = await context.newPage();
  const kept = { context, page, requests: [], errors: [] };
  context.on("request", (request) => kept.requests.push(request.url()));
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") kept.errors.push(message.text());
  });
  page.on("pageerror", (error) => kept.errors.push(String(error)));
  contexts.set(name, kept);
}

const ops = {
  open,
  run: ({ name, code, args }) => {
    const { page, context, requests, errors } = contexts.get(name);
    return new AsyncFunction("page", "context", "requests", "errors", "args", "AXE", code)(
      page,
      context,
      requests,
      errors,
      args,
      AXE,
    );
  },
  close: async ({ name }) => {
    await contexts.get(name).context.close();
    contexts.delete(name);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { id, value: (await ops[op](rest)) ?? null };
  } catch (error) {
    answer = { id, error: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
