// Values as literals of a language. A reader must see what a program sends: characters that are not seen, or that
// turn the direction of writing, are written as escapes.

// Controls, and what Unicode calls default ignorable or a mark of direction.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const utf8 = new TextEncoder();

const hex = (letter, width) => letter.charCodeAt(0).toString(16).padStart(width, "0");
const octal = (byte) => "\\" + byte.toString(8).padStart(3, "0");
const escape = (text) => text.replace(/[\\"]/g, "\\$&").replace(UNSEEN, (letter) => "\\u" + hex(letter, 4));

// A word of POSIX sh. Nothing is special between single quotes. A newline stays one, because $(…) would drop it.
export function sh(text) {
  const unseen = (letter) =>
    letter === "\n" ? letter : `'"$(printf '${[...utf8.encode(letter)].map(octal).join("")}')"'`;
  return "'" + text.toWellFormed().replaceAll("'", "'\\''").replace(UNSEEN, unseen) + "'";
}

// "…" of Python, and of Go.
export const python = (text) => '"' + escape(text.toWellFormed()) + '"';
export const go = python;

// "…" of Java. Its compiler replaces \uXXXX before it reads the text, so what is special goes as octal. All beyond
// ASCII is escaped, because older compilers take the source for the system's encoding.
export function java(text) {
  const special = (letter) => octal(letter.charCodeAt(0));
  const plain = text.toWellFormed().replace(/[\u0000-\u001f"\\\u007f]/g, special);
  return '"' + plain.replace(/[^\u0000-\u007f]/g, (letter) => "\\u" + hex(letter, 4)) + '"';
}
