// Reads the answer of /v1/usage. Its rows go to output 1, to be kept, if the answer is complete. What may pass goes to output
// 2, to be asked again. Everything else is an error.
let answer = null;
try {
    answer = JSON.parse(msg.payload);
} catch (error) {
    // Not an answer of codecmeter, or one that was cut off: judged below.
}
if (typeof msg.statusCode !== "number") {
    return again(`the server cannot be reached (${msg.statusCode ?? "no answer"})`);
}
if (msg.statusCode >= 500 || msg.statusCode === 429) {
    return again(`the server cannot answer now (${answer?.detail ?? "HTTP " + msg.statusCode})`);
}
if (msg.statusCode !== 200) {
    return fail(`refused: HTTP ${msg.statusCode}, ${answer?.detail ?? answer?.title ?? "no reason: check CODECMETER_URL"}`);
}
if (!Array.isArray(answer?.rows) || answer.complete !== true) {
    return again("the answer is not complete");
}

node.status({});
return [{
    file: `${env.get("CODECMETER_ROWS")}/months.ndjson`,
    rows: answer.rows.map(row => ({month: msg.month, ...row})),
    key: ["month", "project", "kind"],
    replaces: {month: msg.month},
}, null];
