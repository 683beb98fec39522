// JSON as it was written: the digits of a number, the order of members and repeated names stay, which JSON.parse
// loses.

const TOKEN = /[ \t\n\r]*([{}[\],:"]|[^ \t\n\r{}[\],:"]+)/y; // of a string: its first quote

// Behind the closing quote. No pattern finds it in a string of many MB: it takes too much of the stack.
function endOfString(text, quote) {
  for (let at = quote + 1; ; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === "\\") at++;
  }
}

// The tokens of a text that JSON.parse takes. A string is one token, with its quotes.
export function* tokens(text) {
  const pattern = new RegExp(TOKEN);
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    if (found[1] === '"') {
      const quote = pattern.lastIndex - 1;
      pattern.lastIndex = endOfString(text, quote);
      yield text.slice(quote, pattern.lastIndex);
    } else yield found[1];
  }
}

// The tree of a text that JSON.parse takes: {type, text, items}. type: object (items: [[name, node], …]), array
// (items: [node, …]), string (text is decoded), number (text is as written), word (true, false, null). Throws
// RangeError beyond `depth` levels.
export function tree(text, depth) {
  const all = tokens(text);
  const next = () => all.next().value;
  const list = (close, levels, read) => {
    if (levels === 0) throw new RangeError("too deep");
    const items = [];
    for (let token = next(); token !== close; token = next()) {
      if (token === ",") token = next();
      items.push(read(token));
    }
    return items;
  };
  const node = (token, levels) => {
    if (token === "{") {
      const member = (name) => {
        next(); // the colon
        return [JSON.parse(name), node(next(), levels - 1)];
      };
      return { type: "object", items: list("}", levels, member) };
    }
    if (token === "[") return { type: "array", items: list("]", levels, (each) => node(each, levels - 1)) };
    if (token[0] === '"') return { type: "string", text: JSON.parse(token) };
    return { type: /^[tfn]/.test(token) ? "word" : "number", text: token };
  };
  return node(next(), depth);
}

const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

// Lays a JSON text out over lines. Its tokens stay as they came, so no number is rounded. A text that is no JSON
// stays.
export function indent(text) {
  if (!isJson(text)) return text;
  let out = "",
    level = 0,
    before = "";
  const line = () => "\n" + "  ".repeat(level);
  for (const token of tokens(text)) {
    if (token === "}" || token === "]") {
      level--;
      if (before !== "{" && before !== "[") out += line();
    } else if (before === "{" || before === "[" || before === ",") out += line();
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") level++;
    before = token;
  }
  return out;
}
