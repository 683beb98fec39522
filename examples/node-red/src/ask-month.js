// Asks /v1/usage for a month of all projects that the token may read. The token is in the environment of Node-RED, never in
// the flow. A message with `month` ("2026-10") asks for that month, else this asks for the month before this one.
const missing = ["CODECMETER_URL", "CODECMETER_READ_TOKEN", "CODECMETER_ROWS"].filter(name => !env.get(name));
if (missing.length > 0) {
    const why = `not set in the environment of Node-RED: ${missing.join(", ")}`;
    node.status({fill: "red", shape: "ring", text: why});
    node.error(why, {});
    return null;
}
node.status({});

// The flow runs at noon of the second of each month. By then the month before has ended in every time zone.
const now = new Date();
const before = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1));
const month = msg.month || before.toISOString().slice(0, 7);

return {
    attempt: msg.attempt ?? 0,
    month,
    method: "GET",
    url: `${env.get("CODECMETER_URL").replace(/\/+$/, "")}/v1/usage?${new URLSearchParams({month, step: "1mo", group: "project"})}`,
    headers: {authorization: `Bearer ${env.get("CODECMETER_READ_TOKEN")}`},
};
