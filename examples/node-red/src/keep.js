// Keeps msg.rows in msg.file: one JSON object a line, in the order of msg.key. Every kept row that msg.replaces covers goes
// first: so no row is there twice, and what was voided since the last answer is gone. The new file is written beside the old
// one, synced and renamed: whatever happens, the file has the old rows or the new ones. All of this is one turn of Node-RED's
// event loop, so two answers cannot mix. Two Node-REDs must not share a file.
try {
    const kept = read(msg.file);
    const old = kept.filter(row => covers(msg.replaces, row));
    const others = kept.filter(row => !covers(msg.replaces, row));
    if (msg.days) {
        look_at_days(others, msg.days);
    }
    write(msg.file, [...others, ...msg.rows].sort(order));

    const before = new Map(old.map(row => [name_of(row), JSON.stringify(row)]));
    const added = msg.rows.filter(row => !before.has(name_of(row))).length;
    const same = msg.rows.filter(row => before.get(name_of(row)) === JSON.stringify(row)).length;
    const changed = msg.rows.length - added - same;
    const removed = old.length - same - changed;
    node.status({fill: "green", shape: "dot",
        text: `${new Date().toISOString()}: ${added} added, ${changed} changed, ${removed} removed, ${same} as before`});
    return {payload: {file: msg.file, added, changed, removed, same}, rows: msg.rows};
} catch (error) {
    const why = `nothing was kept: ${error.message}`;
    node.status({fill: "red", shape: "ring", text: why});
    node.error(why, {});
    return null;
}

function read(file) {
    let text = "";
    try {
        text = fs.readFileSync(file, "utf8");
    } catch (error) {
        if (error.code !== "ENOENT") {
            throw error;
        }
    }
    const rows = [];
    for (const [index, line] of text.split("\n").entries()) {
        try {
            rows.push(...(line === "" ? [] : [JSON.parse(line)]));
        } catch (error) {
            throw new Error(`${file}, line ${index + 1} is not JSON: mend the line, or move the file away`);
        }
    }
    return rows;
}

function write(file, rows) {
    const handle = fs.openSync(`${file}.new`, "w", 0o600);
    try {
        fs.writeFileSync(handle, rows.map(row => JSON.stringify(row) + "\n").join(""));
        fs.fsyncSync(handle);
    } finally {
        fs.closeSync(handle);
    }
    fs.renameSync(`${file}.new`, file);
    const directory = fs.openSync(path.dirname(file), "r");
    try {
        fs.fsyncSync(directory);
    } finally {
        fs.closeSync(directory);
    }
}

// Each member of `what` is a value, or a range [from, to).
function covers(what, row) {
    return Object.entries(what).every(([name, value]) => Array.isArray(value)
        ? value[0] <= row[name] && row[name] < value[1] : row[name] === value);
}

function name_of(row) {
    return JSON.stringify(msg.key.map(name => row[name]));
}

function order(one, two) {
    const differs = msg.key.find(name => one[name] !== two[name]);
    return differs === undefined ? 0 : one[differs] < two[differs] ? -1 : 1;
}

// The days before and after this answer must not overlap with its days: that would count some hours twice. A day has 22 to
// 26 hours.
function look_at_days(others, {where, from, to}) {
    const times = others.filter(row => covers(where, row)).map(row => row.Time);
    if (times.some(time => time >= to)) {
        throw new Error(`${msg.file} has later days than this answer: check the clock of this machine; if the time zone of ` +
            "the project was changed, move the file away");
    }
    const newest = Math.max(...times);  // -Infinity without any
    if (from - newest < 20 * 3600) {
        throw new Error(`the days of this answer and those of ${msg.file} overlap: if the time zone of the project was changed, ` +
            "move the file away");
    }
    if (Number.isFinite(newest) && from - newest > 28 * 3600) {
        node.warn(`days are missing between ${new Date(newest * 1000).toISOString()} and ${new Date(from * 1000).toISOString()}: ` +
            "the server answers only the last 31; ask /v1/usage for the others");
    }
}
