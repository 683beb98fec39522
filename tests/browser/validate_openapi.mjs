// Validates a document of OpenAPI with two programs that share nothing: one uses the JSON Schema of the specification,
// the other has its rules in code (its rules of the specification, and that examples fit). Reads the document on
// standard input, and prints {"schema": [...], "rules": [...]}: what is wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.CODECMETER_BROWSER_MODULES + "/");
const text = readFileSync(0, "utf8");

const { Validator } = await import(pathToFileURL(require.resolve("@seriousme/openapi-schema-validator")));
const validator = new Validator();
const { valid, errors } = await validator.validate(JSON.parse(text));
const schema = valid ? [] : [errors ?? "not valid"].flat();
if (validator.version !== "3.1") schema.push(`version ${validator.version}`);

const { lintDocument, makeDocumentFromString, BaseResolver, createConfig } = require("@redocly/openapi-core");
const config = await createConfig({
  extends: ["spec", "recommended"],
  // A refusal of the signed API has status 200, as UCloud's SDKs expect.
  rules: { "operation-4xx-response": "off" },
});
const rules = await lintDocument({
  document: makeDocumentFromString(text, "/openapi.json"),
  config: config.styleguide ?? config,
  externalRefResolver: new BaseResolver(),
});
console.log(
  JSON.stringify({
    schema,
    rules: rules.map(({ ruleId, message, location }) => ({ ruleId, message, place: location[0]?.pointer })),
  }),
);
