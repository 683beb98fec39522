// Reads the answer of GetCodecTotalStat. Days that have ended go to output 1, to be kept. What may pass goes to output 2, to
// be asked again. Everything else is an error.
const TEMPORARY = [130, 150];  // RetCodes: an error of the server; the server cannot answer now

let answer = null;
try {
    answer = JSON.parse(msg.payload);
} catch (error) {
    // Not an answer of codecmeter: judged below by its status.
}
if (typeof msg.statusCode !== "number") {
    return again(`the server cannot be reached (${msg.statusCode ?? "no answer"})`);
}
if (msg.statusCode >= 500 || msg.statusCode === 429 || TEMPORARY.includes(answer?.RetCode)) {
    return again(`the server cannot answer now (${answer?.Message ?? "HTTP " + msg.statusCode})`);
}
if (msg.statusCode !== 200 || typeof answer?.RetCode !== "number") {
    return fail(`this is no answer of codecmeter (HTTP ${msg.statusCode}): check CODECMETER_URL`);
}
if (answer.RetCode !== 0) {
    return fail(`refused: RetCode ${answer.RetCode}, ${answer.Message}`);
}

// The window ends now, so the last day of the answer has not ended in the time zone of the project. The others have.
const times = answer.StatSet.map(row => row.Time);
const [from, to] = [Math.min(...times), Math.max(...times)];
const project = env.get("CODECMETER_PROJECT");
node.status({});
return [{
    file: `${env.get("CODECMETER_ROWS")}/days.ndjson`,
    rows: answer.StatSet.filter(row => row.Time < to).map(row => ({ProjectId: project, ...row})),
    key: ["ProjectId", "Time", "VideoCodec"],
    replaces: {ProjectId: project, Time: [from, to]},
    days: {where: {ProjectId: project}, from, to},
}, null];
