// The key pair with which the API browser signs. It lives in this module's memory and nowhere else: a reload forgets it.
export const keys = { publicKey: "", privateKey: "" };

export function forgetKeys() {
  keys.publicKey = keys.privateKey = "";
}
