
// For now: asks again after CODECMETER_RETRY_S seconds, then after twice that, and so on. The message of the next attempt is
// a new one: nothing of this answer, and no secret of this request, goes on.
function again(why) {
    const ATTEMPTS = 8;  // with a first pause of 60 s: for two hours
    const attempt = msg.attempt + 1;
    if (attempt >= ATTEMPTS) {
        return fail(`${why}; gave up after ${attempt} attempts`);
    }
    const pause_s = Number(env.get("CODECMETER_RETRY_S") || 60) * 2 ** (attempt - 1);
    const said = `${why}; attempt ${attempt + 1} of ${ATTEMPTS} in ${pause_s} s`;
    node.status({fill: "yellow", shape: "ring", text: said});
    node.warn(said);
    return [null, {attempt, delay: pause_s * 1000, month: msg.month}];
}

// For good: someone has to look. A Catch node gets the text.
function fail(why) {
    node.status({fill: "red", shape: "ring", text: why});
    node.error(why, {});
    return null;
}
