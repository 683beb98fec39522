// Prints each status of each node of a Node-RED, one JSON object a line: what the editor shows below the nodes.
// Usage: node statuses.js http://127.0.0.1:1880 (NODE_PATH has Node-RED's modules)
const WebSocket = require("ws");

const socket = new WebSocket(process.argv[2].replace(/^http/, "ws") + "/comms");
socket.on("open", () => {
    socket.send(JSON.stringify({subscribe: "status/#"}));
    console.log("{}");  // the test waits for the first line
});
socket.on("error", error => { console.error(error.message); process.exit(1); });
socket.on("message", data => {
    for (const {topic, data: status} of [].concat(JSON.parse(data))) {
        if (topic.startsWith("status/")) {  // others: Node-RED's heartbeat
            console.log(JSON.stringify({node: topic.slice("status/".length), fill: status.fill, text: status.text}));
        }
    }
});
