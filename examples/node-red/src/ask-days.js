// Asks GetCodecTotalStat for the last 31 days, as docs/signature.md says. The secrets are in the environment of Node-RED,
// never in the flow: a flow is exported, copied and committed.
const NAMES = ["CODECMETER_URL", "CODECMETER_PUBLIC_KEY", "CODECMETER_PRIVATE_KEY", "CODECMETER_PROJECT", "CODECMETER_ROWS"];
const DAYS = 31;  // an answer of the server has at most 32 days: query.max_span

const missing = NAMES.filter(name => !env.get(name));
if (missing.length > 0) {
    const why = `not set in the environment of Node-RED: ${missing.join(", ")}`;
    node.status({fill: "red", shape: "ring", text: why});
    node.error(why, {});
    return null;
}
node.status({});

const now = Math.floor(Date.now() / 1000);
const params = {
    Action: "GetCodecTotalStat",
    BeginTime: String(now - DAYS * 86400),
    EndTime: String(now),
    ProjectId: env.get("CODECMETER_PROJECT"),
    PublicKey: env.get("CODECMETER_PUBLIC_KEY"),
};

// Names and values, sorted by name, joined without separators, and followed by the private key. These names are ASCII, so
// sort() has the order of their bytes.
const text = Object.keys(params).sort().map(name => name + params[name]).join("") + env.get("CODECMETER_PRIVATE_KEY");
params.Signature = crypto.createHash("sha1").update(text, "utf8").digest("hex");

return {
    attempt: msg.attempt ?? 0,
    url: env.get("CODECMETER_URL"),
    headers: {"content-type": "application/x-www-form-urlencoded"},
    payload: new URLSearchParams(params).toString(),
};
