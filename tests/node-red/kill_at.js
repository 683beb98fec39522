// Kills Node-RED at the Nth call that touches a file below KILL_BELOW, in the midst of it if it writes. For `node --require`.
const fs = require("fs");

const descriptors = new Set();
let calls = 0;

function is_ours(target) {
    return descriptors.has(target) || (typeof target === "string" && target.startsWith(process.env.KILL_BELOW));
}

function wrap(name, midway) {
    const real = fs[name];
    fs[name] = (target, ...more) => {
        if (is_ours(target) && ++calls === Number(process.env.KILL_AT)) {
            midway?.(real, target, ...more);
            process.kill(process.pid, "SIGKILL");
        }
        const result = real(target, ...more);
        if (name === "openSync" && is_ours(target)) {
            descriptors.add(result);
        }
        return result;
    };
}

const half = (real, target, data) => real(target, data.slice(0, data.length / 2));
wrap("openSync");
wrap("readFileSync");
wrap("writeFileSync", half);
wrap("appendFileSync", half);
wrap("fsyncSync");
wrap("renameSync");
