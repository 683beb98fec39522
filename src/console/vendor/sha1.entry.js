// What signatures of UCloud's API need: a browser has crypto.subtle on https and on loopback only. The checker of signatures
// uses hmac to name a mistake: HMAC in the place of SHA-1.
export { hmac } from "@noble/hashes/hmac.js";
export { sha1 } from "@noble/hashes/legacy.js";
