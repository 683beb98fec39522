// What the API browser keeps while the page is open, in this module's memory and nowhere else: a reload forgets it.

// The key pair with which it signs.
export const keys = { publicKey: "", privateKey: "" };
// What was typed into its forms, by the operation's name: a change of language or view keeps it.
export const drafts = new Map();

export function forgetKeys() {
  keys.publicKey = keys.privateKey = "";
}

// Somebody signs out: the next user of the page finds nothing.
export function forgetAll() {
  forgetKeys();
  drafts.clear();
}
